"""Kill a process at random moments during a write and check what it leaves behind.

Run as ``kill_writes.main(folder, kills, seed)`` in a process that has no open index: every index is
opened in a forked child, so that no kill costs the time of the imports.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

from hashed import HashedEncoder, assert_index_holds, inconsistent_documents

from ner_retriever_rag import Document, EntityIndex
from ner_retriever_rag.index.check import check, repair
from ner_retriever_rag.index.entity_index import DEFAULT_COLLECTION
from ner_retriever_rag.storage import crash_probe


def documents(first, last, place="Peru"):
    return [
        Document(f"Town{n} lies in {place} near Lima{n % 7} and Rome{n}.", id=f"d{n}")
        for n in range(first, last)
    ]


BASE = documents(0, 300)
CHANGES = {
    "add": (lambda index: index.add(documents(300, 600)), [*BASE, *documents(300, 600)]),
    "replace": (
        lambda index: index.add(documents(0, 300, "Chile or Bolivia")),
        documents(0, 300, "Chile or Bolivia"),
    ),
    "delete": (lambda index: index.delete([f"d{n}" for n in range(20, 300)]), BASE[:20]),
}


def run_forked(work, wait=True):
    """Run work in a forked child; return whether it succeeded, or its pid with ``wait=False``."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0 if wait else child


def write(folder, change, write_end):
    index = EntityIndex(folder, encoder=HashedEncoder())
    os.write(write_end, b"open\n")
    started = time.perf_counter()
    CHANGES[change][0](index)
    os.write(write_end, f"{time.perf_counter() - started}\n".encode())
    index.close()


def verify_remains(folder, change, notes):
    """Check that no document is incomplete and that repeating the call completes the change."""
    try:
        index = EntityIndex(folder, encoder=HashedEncoder())
    except RuntimeError as error:
        assert "check" in str(error) and "--repair" in str(error), error
        findings = repair(folder, DEFAULT_COLLECTION, HashedEncoder())
        notes.write_text(json.dumps(findings.graphs))
        assert not findings.lost
        index = EntityIndex(folder, encoder=HashedEncoder())
    then = {each.id: each for each in BASE}
    later = {each.id: each for each in CHANGES[change][1]}
    for record in (record for page in index._store.pages() for record in page):
        document = record.document
        assert document in (then.get(document.id), later.get(document.id)), document
    kept = then.keys() & later.keys()  # documents that are not deleted exist, old or new
    assert {each.id for each in index.get(kept)} == kept
    assert inconsistent_documents(index) == []
    CHANGES[change][0](index)
    assert_index_holds(index, CHANGES[change][1])
    index.close()
    assert check(folder, DEFAULT_COLLECTION, HashedEncoder()).sound


def main(folder, kills, seed):
    folder, chance = Path(folder), random.Random(seed)
    # Otherwise each check starts a process, which takes longer than the check itself.
    crash_probe.crashes_in = lambda *_: None
    base = folder / "base"

    def build():
        with EntityIndex(base, encoder=HashedEncoder()) as index:
            index.add(BASE)

    assert run_forked(build)
    report = {"killed": 0, "finished": 0, "damaged": [], "bad": []}
    takes = dict.fromkeys(CHANGES, 1.0)
    for number in range(-len(CHANGES), kills):
        change = list(CHANGES)[number % len(CHANGES)]
        place = folder / "killed"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(base, place)
        read_end, write_end = os.pipe()
        child = run_forked(lambda: write(place, change, write_end), wait=False)  # noqa: B023
        os.close(write_end)
        with os.fdopen(read_end) as lines:
            assert lines.readline() == "open\n"
            if number >= 0:
                moment = chance.uniform(0, takes[change])
                time.sleep(moment)
                os.kill(child, signal.SIGKILL)
            rest = lines.readline()
        os.waitpid(child, 0)
        report["finished" if rest else "killed"] += number >= 0
        if rest:  # speed varies: the next kill falls within the last complete duration
            takes[change] = float(rest)
        if number < 0:
            continue
        notes = folder / "notes.json"
        notes.unlink(missing_ok=True)
        if not run_forked(lambda: verify_remains(place, change, notes)):  # noqa: B023
            report["bad"].append([number, change, moment])
            shutil.copytree(place, folder / f"bad-{number}")
        if notes.exists():
            report["damaged"].append(list(json.loads(notes.read_text()).values()))
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
