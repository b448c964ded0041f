"""Generate the pages of ``ner-retriever eval --boundaries``: sixty, in twelve shapes, with twins.

Five worlds of names, each laid out in every shape; a twin has the same names in running prose.

    python benchmarks/make_pages.py ner_retriever_rag/evaluation/pages.jsonl
"""

# ruff: noqa: E501 (a page is easier to read in long lines)
import argparse
import json
from pathlib import Path
from textwrap import fill

WORLDS = [
    {
        "a": "Ingrid Solheim", "b": "Ole Arve Misund", "c": "Katarina Lindqvist", "d": "Tom O'Brien",
        "org": "Norwegian Polar Institute", "other": "Alfred Wegener Institute", "city": "Longyearbyen",
        "town": "Bremerhaven", "country": "Norway", "street": "Storgata", "product": "Kronprins Haakon",
        "work": "The Ice Atlas", "place": "Svalbard", "award": "Vega Medal", "topic": "sea ice",
    },
    {
        "a": "Priya Raghunathan", "b": "Marcus Feldman", "c": "Chen Wei", "d": "Sofia Marchetti",
        "org": "Northwind Systems", "other": "Contoso Cloud Services", "city": "Rotterdam",
        "town": "San Francisco", "country": "Netherlands", "street": "Coolsingel", "product": "PostgreSQL",
        "work": "Designing Reliable Queues", "place": "Silicon Valley", "award": "Turing Award",
        "topic": "message queues",
    },
    {
        "a": "Amara Okafor", "b": "Heinrich Vogel", "c": "Lucía Fernández", "d": "Noah Ben-David",
        "org": "St Thomas' Hospital", "other": "World Health Organization", "city": "Geneva",
        "town": "Nairobi", "country": "Kenya", "street": "Lambeth Palace Road", "product": "Metformin",
        "work": "Tropical Medicine Review", "place": "Lake Victoria", "award": "Lasker Prize",
        "topic": "malaria",
    },
    {
        "a": "Eleanor Whitcombe", "b": "Rajiv Menon", "c": "Pauline Dubois", "d": "Samuel Adeyemi",
        "org": "Whitcombe and Lowe", "other": "Bank of England", "city": "Edinburgh", "town": "Mumbai",
        "country": "Scotland", "street": "Princes Street", "product": "Bluebird Ferries",
        "work": "The Law of Carriage", "place": "Firth of Forth", "award": "Chambers Award",
        "topic": "shipping claims",
    },
    {
        "a": "Giulia Bellini", "b": "Kenji Watanabe", "c": "Margaret Atwell", "d": "Youssef Haddad",
        "org": "Slow Food Foundation", "other": "Museum of Modern Art", "city": "Bologna", "town": "Kyoto",
        "country": "Italy", "street": "Via Zamboni", "product": "Parmigiano Reggiano",
        "work": "A Year of Bread", "place": "Emilia-Romagna", "award": "James Beard Award",
        "topic": "old grains",
    },
]  # fmt: skip


def hyphenated(text: str, width: int) -> str:
    """Wrap text to a width, hyphenating long lower-case words."""
    lines, line = [], ""
    for word in text.split():
        joined = f"{line} {word}".strip()
        room = width - len(line) - 2
        if len(joined) <= width:
            line = joined
        elif len(word) > 8 and word.isalpha() and word.islower() and 3 <= room <= len(word) - 3:
            lines.append(f"{line} {word[:room]}-")
            line = word[room:]
        else:
            lines.append(line)
            line = word
    return "\n".join([*lines, line])


def prose(w: dict[str, str]) -> list[str]:
    """Two paragraphs about a world."""
    return [
        f"The meeting on {w['topic']} was opened by {w['a']} of the {w['org']}, who had travelled from "
        f"{w['city']} together with {w['b']} and {w['c']}. They described the measurements that were "
        f"collected near {w['place']} during the previous season, and thanked the {w['other']} in "
        f"{w['town']} for its generous contribution to the instruments.",
        f"After a short interruption {w['d']} presented a copy of {w['work']} to the participants and "
        f"explained how the {w['award']} had been awarded in {w['country']} for the first time. Several "
        f"questions concerned {w['product']}, which {w['b']} promised to answer in writing.",
    ]


def pdf(w):
    body = [hyphenated(each, 58) for each in prose(w)]
    text = f"Annual Report of the {w['org']}\n\n{w['a']}\n{w['b']}\n\n{body[0]}\n\n4\n\n{body[1]}"
    return (
        text,
        f"This is the annual report of the {w['org']} by {w['a']} and {w['b']}. "
        + " ".join(prose(w)),
    )


def mail(w):
    quoted = "\n".join("> " + line for line in fill(prose(w)[0], 66).splitlines())
    reply = fill(prose(w)[1], 72)
    text = (
        f"From: {w['c']}\nTo: {w['d']}\nSubject: {w['work']}\n\nDear {w['d']},\n\nOn Monday {w['b']} wrote:\n"
        f"{quoted}\n\n{reply}\n\nBest regards,\n{w['c']}\n--\n{w['c']}\n{w['other']}\n{w['town']}"
    )
    return (
        text,
        f"{w['c']} of the {w['other']} in {w['town']} wrote to {w['d']} about {w['work']}. "
        + " ".join(prose(w)),
    )


def markdown(w):
    text = (
        f"# {w['work']}\n\n**{w['a']}** and _{w['b']}_ of the [{w['org']}](https://example.org) met in\n"
        f"{w['city']}.\n\n## People\n\n* {w['c']}\n* {w['d']}\n  from {w['country']}\n\n1. {w['town']}\n"
        f"2. {w['place']}\n\n> {w['award']}\n\n| Item | Kind |\n|---|---|\n| {w['product']} | thing |"
    )
    return text, (
        f"{w['a']} and {w['b']} of the {w['org']} met in {w['city']} to talk about {w['work']}. Among the people "
        f"were {w['c']} and {w['d']} from {w['country']}. They had been to {w['town']} and {w['place']}, had won "
        f"the {w['award']} and knew {w['product']}."
    )


def table(w):
    rows = [
        ("Name", "Employer", "Place"),
        (w["a"], w["org"], w["city"]),
        (w["b"], w["other"], w["town"]),
        (w["c"], w["org"], w["place"]),
        (w["d"], w["other"], w["country"]),
    ]
    kind = WORLDS.index(w) % 3
    if kind == 0:
        text = "\n".join("".join(cell.ljust(30) for cell in row).rstrip() for row in rows)
    else:
        text = "\n".join(("\t" if kind == 1 else " | ").join(row) for row in rows)
    return text, (
        f"{w['a']} works for the {w['org']} in {w['city']}, {w['b']} for the {w['other']} in {w['town']}. "
        f"{w['c']} is near {w['place']} for the {w['org']}, and {w['d']} is in {w['country']}."
    )


def address(w):
    text = (
        f"{w['a']}\n{w['org']}\n12 {w['street']}\n{w['city']}\n{w['country']}\n\n\n{w['d']}\n{w['other']},\n"
        f"7th floor\n{w['town']}"
    )
    return text, (
        f"The letter to {w['a']} went to the {w['org']} at {w['street']} in {w['city']}, {w['country']}. The one to "
        f"{w['d']} went to the {w['other']} in {w['town']}."
    )


def signature(w):
    text = (
        f"Thanks, see you in {w['place']}!\n\nKind regards\n{w['b']}\nHead of Research\n{w['other']}\n"
        f"{w['town']} \u00b7 {w['city']}\nT +44 20 7946 0018\nwinner of the {w['award']}"
    )
    return text, (
        f"We will see each other in {w['place']}, wrote {w['b']}, who leads research at the {w['other']} in {w['town']} "
        f"and {w['city']}. He is a winner of the {w['award']}."
    )


def ticket(w):
    comment = (
        f"It also happens in {w['town']}, where {w['b']} of the {w['other']} saw it last week."
    )
    text = (
        f"Ticket: #4711\nReporter: {w['a']}\nAssignee: {w['c']}\nCustomer: {w['org']}\nProduct: {w['product']}\n"
        f"Status: open\n\nSteps:\n1) open {w['product']}\n2) choose {w['city']}\n\nComment by {w['d']}:\n"
        f"{fill(comment, 60)}"
    )
    return text, (
        f"{w['a']} reported to {w['c']} that for the customer {w['org']} something is wrong with {w['product']} when "
        f"{w['city']} is chosen. {w['d']} said it also happens in {w['town']}, where {w['b']} of the {w['other']} saw it."
    )


def cv(w):
    text = (
        f"{w['d']}\n{w['street']} 4, {w['city']}\n\nEXPERIENCE\n\n2019 - now\t{w['org']}\t"
        f"{w['city']}\n2015 - 2019\t{w['other']}\t{w['town']}\n\nPUBLICATIONS\n\n\u2022 {w['work']}\n"
        f"\u2022 with {w['a']}: on {w['topic']}\n\nAWARDS\n\n\u2713{w['award']}\n\nLANGUAGES AND TOOLS\n\n{w['product']}"
    )
    return text, (
        f"{w['d']} of {w['city']} has worked for the {w['org']} since 2019, and before that for the {w['other']} in "
        f"{w['town']}. He wrote {w['work']}, and with {w['a']} on {w['topic']}. He has the {w['award']} and knows "
        f"{w['product']}."
    )


def log(w):
    text = (
        f"2024-03-01 09:12:44 INFO  login {w['a']}\n2024-03-01 09:12:51 INFO  {w['a']} opened {w['work']}\n"
        f"2024-03-01 09:13:02 WARN  upload from {w['town']} failed\n2024-03-01 09:14:40 ERROR {w['product']} timed out\n"
        f"2024-03-01 09:15:00 INFO  mail to {w['b']} ({w['org']})"
    )
    return text, (
        f"{w['a']} logged in and opened {w['work']}. An upload from {w['town']} failed, {w['product']} timed out, and a "
        f"mail went to {w['b']} of the {w['org']}."
    )


def chat(w):
    text = (
        f"[10:02] {w['a']}: is {w['b']} in {w['city']} today?\n[10:03] {w['c']}: no, in {w['town']} \U0001f600\n"
        f"[10:03] {w['a']}: ok\n[10:05] {w['c']}: \U0001f680{w['product']} is out, tell the {w['org']}\n"
        f"[10:06] {w['d']}: \u2705 done"
    )
    return text, (
        f"{w['a']} asked whether {w['b']} is in {w['city']} today, and {w['c']} said he is in {w['town']}. Then {w['c']} said "
        f"that {w['product']} is out and to tell the {w['org']}, which {w['d']} did."
    )


def minutes(w):
    text = (
        f"Minutes\n\nPresent:\n{w['a']}\n{w['b']}\n{w['c']}\n\nApologies: {w['d']}\n\n1. {w['work']}\n\n"
        f"{fill(prose(w)[0], 64)}\n\n2. Any other business\n\n{fill(prose(w)[1], 64)}"
    )
    return (
        text,
        f"{w['a']}, {w['b']} and {w['c']} were present, {w['d']} was not. They spoke of {w['work']}. "
        + " ".join(prose(w)),
    )


def recipe(w):
    text = (
        f"BREAD OF {w['city'].upper()}\nfrom {w['work']}, by {w['c']}\n\nIngredients\n500 g flour\n1 cup water\n"
        f"200 g {w['product']}\n\nMethod\n1. Heat the oven.\n2. Mix as {w['a']} does in {w['country']}.\n"
        f"3. Serve with what {w['d']} brought\n   from {w['place']}."
    )
    return text, (
        f"The bread is from {w['work']} by {w['c']}. Take flour, water and {w['product']}, mix as {w['a']} does in "
        f"{w['country']}, and serve with what {w['d']} brought from {w['place']}."
    )


SHAPES = {
    "PDF page": pdf, "mail": mail, "markdown": markdown, "table": table, "address": address,
    "signature": signature, "ticket": ticket, "CV": cv, "log": log, "chat": chat, "minutes": minutes,
    "recipe": recipe,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="JSON Lines file to write")
    path = parser.parse_args().out
    rows = []
    for shape, lay_out in SHAPES.items():
        for world in WORLDS:
            text, twin = lay_out(world)
            plain = " ".join(text.replace("-\n", "").replace("> ", "").split())
            names = [
                name
                for key, name in world.items()
                if key != "topic" and name in twin and name in plain
            ]
            rows.append({"shape": shape, "text": text, "twin": twin, "names": names})
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
