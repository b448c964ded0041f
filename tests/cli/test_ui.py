"""The page of ``ner-retriever ui``, driven in a headless browser."""

import csv
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile import run

from ner_retriever_rag import Document, EntityIndex

webdriver = pytest.importorskip("selenium.webdriver")
pytest.importorskip("nicegui")

from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
TIMEOUT = 180  # seconds; enough to load torch on the slowest machine

TEXTS = {
    "etna": "Mount Etna in Sicily erupted again, and Catania closed its airport.",
    "nile": "The Nile flows north through Egypt into the Mediterranean Sea.",
    "evil": "The Danube flows through <script>document.title = 'taken'</script> Vienna.",
}


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui") / "index"
    with EntityIndex(folder) as index:
        index.add([Document(text, name) for name, text in TEXTS.items()])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from ner_retriever_rag.cli import app; app()"
    command = [sys.executable, "-c", code, "ui", str(folder), "--port", str(port), "--no-browser"]
    # nicegui takes pytest's variable for one of its own tests and serves nothing.
    environment = {name: each for name, each in os.environ.items() if "PYTEST" not in name}
    server = subprocess.Popen(command, env=environment)
    try:
        until = time.monotonic() + TIMEOUT
        while status(port) is None:
            assert server.poll() is None and time.monotonic() < until
            time.sleep(0.5)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def status(port, host="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.fixture
def browser(port, tmp_path):
    if BROWSER is None or DRIVER is None:
        pytest.skip("no chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for each in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(each)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.set_page_load_timeout(TIMEOUT)
        driver.get(f"http://127.0.0.1:{port}/")
        yield driver
    finally:
        driver.quit()


def wait(driver, selector):
    """Wait for elements that match a selector and return them."""
    return WebDriverWait(driver, TIMEOUT).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, selector)
    )


def wait_for_notification(driver, text):
    """Wait for a notification with a text; it slides in and has none until it is visible."""
    WebDriverWait(driver, TIMEOUT).until(
        lambda driver: text in wait(driver, ".q-notification")[0].text
    )


def shown_rows(driver):
    """The rows of the table once all of them are filled, else None; they may still be moving."""
    rows = [each.get_attribute("textContent") for each in wait(driver, ".q-table tbody tr")]
    return rows if all(row.strip() for row in rows) else None


def test_search_kinds_and_entities_in_the_page(browser, tmp_path):
    kinds = [each.text.split(" (")[0] for each in wait(browser, ".kinds button")]

    assert browser.find_element(By.CSS_SELECTOR, ".name").text == "index"
    assert browser.find_element(By.CSS_SELECTOR, ".held").text.startswith("3 documents, ")
    to_try = [each.text for each in wait(browser, ".to-try .q-chip")]
    assert 1 <= len(to_try) <= 3 and set(to_try) <= set(kinds)

    field = browser.find_element(By.CSS_SELECTOR, ".type input")
    field.send_keys("river", Keys.ENTER)
    marks = [each.text for each in wait(browser, ".found mark[title^='river ']")]
    assert {"Nile", "Danube"} <= {mark.removeprefix("The ") for mark in marks}
    assert "<script>" in browser.find_element(By.CSS_SELECTOR, ".found").text
    assert "match" in browser.find_element(By.CSS_SELECTOR, ".count").text
    assert not browser.find_elements(By.CSS_SELECTOR, ".to-try .q-chip")
    wait(browser, ".to-judge .right")[0].click()
    wait_for_notification(browser, "1 right, 0 wrong")
    assert browser.title == "ner-retriever"

    browser.find_element(By.CSS_SELECTOR, ".kinds button").click()
    assert wait(browser, f".found mark[title^='{kinds[0]} ']")
    assert field.get_attribute("value") == kinds[0]

    (tab,) = [each for each in wait(browser, ".q-tab") if each.text == "Entities"]
    tab.click()
    rows = WebDriverWait(browser, TIMEOUT).until(shown_rows)
    wait(browser, ".download")[0].click()
    table = Path(tmp_path / "entities.csv")
    WebDriverWait(browser, TIMEOUT).until(lambda _: table.exists())
    with table.open(newline="", encoding="utf-8") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert len(names) == len(rows) and all(
        name in row for name, row in zip(names, rows, strict=True)
    )


def test_page_loads_no_remote_resources(browser, port):
    wait(browser, ".kinds button")
    hosts = browser.execute_script(
        "return performance.getEntriesByType('resource').map(each => new URL(each.name).host)"
    )
    assert set(hosts) == {f"127.0.0.1:{port}"}


def test_empty_query_shows_a_notification(browser):
    wait(browser, ".search")[0].click()
    wait_for_notification(browser, "nothing to search for")


def test_other_host_names_are_refused(port):
    assert status(port) == 200
    assert status(port, host="evil.example") == 400


def test_port_in_use_is_reported(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run("ui", tmp_path, "--port", port)
    assert (result.exit_code, f"--port: {port} cannot be used" in result.stderr) == (2, True)


def test_missing_extra_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    result = run("ui", tmp_path)
    assert result.exit_code == 2
    assert "pip install 'ner-retriever-rag[ui]'" in result.stderr
