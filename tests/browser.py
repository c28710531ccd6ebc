"""A real Chromium, spoken to over the pipe of its DevTools protocol: nothing between it and the tests, no driver."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 60.0
_PIPES = (
    "import os, sys; [os.dup2(int(n), k) for k, n in enumerate(sys.argv[1:3], 3)]; os.execvp(sys.argv[3], sys.argv[3:])"
)
_KEYS = {"Tab": 9, "Enter": 13, " ": 32}

# Expressions to look at on any page.
# WCAG 2.2 1.4.3: the contrast of each text with what it stands on, for texts of ordinary size.
CONTRASTS = """(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parts(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if ((!own && element.tagName !== "INPUT") || !element.getClientRects().length) continue;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([element.tagName, element.textContent.slice(0, 30), ratio]);
  }
  return found;
})()"""
# What stands out beside the window, and what a finger cannot hit (2.5.8: 24 pixels, links within sentences excepted).
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TOO_SMALL = """[...document.querySelectorAll("a, input:not([type=hidden]), button")]
  .filter(e => !(e.tagName === "A" && e.closest("p, li") && getComputedStyle(e).display === "inline"
    && e.parentElement.textContent.trim() !== e.textContent.trim()))
  .map(e => [e.tagName, e.textContent, (e.closest("label") || e).getBoundingClientRect().height]).filter(([, , height]) => height < 24)"""


def chromium() -> str:
    """The program; without it the test is skipped, or fails in CI."""
    found = next((place for name in _NAMES if (place := shutil.which(name))), None)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing; on Debian: apt install chromium (make programs does it)")
        pytest.skip("Chromium is not installed; on Debian: apt install chromium")
    return found


class Browser:
    """One tab. ``folder`` is its profile; all its requests go to this machine, or nowhere."""

    def __init__(self, folder: Path) -> None:
        to_child, ours_out = os.pipe()
        ours_in, from_child = os.pipe()

        # Chromium reads commands from descriptor 3 and answers on 4.
        pipes = [sys.executable, "-ISc", _PIPES, str(to_child), str(from_child)]
        options = [
            "--headless=new",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={folder}",
        ]
        with (folder.parent / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*pipes, chromium(), *options],
                pass_fds=(to_child, from_child),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        os.close(to_child)
        os.close(from_child)
        self._out = os.fdopen(ours_out, "wb", buffering=0)
        self._in = os.fdopen(ours_in, "rb", buffering=0)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        self._in.close()
        try:
            self._process.wait(10)  # the end of the pipe is the end of the browser
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session and not method.startswith("Target."):
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._in.fileno(), 1 << 16)
            assert piece, "Chromium has ended; see chromium.log in the test's folder"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def screen(self, *, width: int = 1000, height: int = 800, dark: bool = False) -> None:
        """How large the window is, and which colours its owner likes."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> dict[str, Any]:
        """Go to an address as if it had been typed; returns the answer that was shown (status, mimeType, headers)."""
        self._events.clear()
        went = self.send("Page.navigate", url=url)
        assert "errorText" not in went, f"{url}: {went.get('errorText')}"
        end = time.monotonic() + _PATIENCE
        while (shown := self._shown(went["loaderId"])) is None:
            assert time.monotonic() < end, f"{url} was not loaded"
            self._events.append(self._read())
        return shown

    def _shown(self, loader: str) -> dict[str, Any] | None:
        """The answer that a navigation led to, once it is loaded: a page before it may still tell of itself."""
        shown: dict[str, Any] | None = None
        for event in self._events:
            told = event.get("params", {})
            if event.get("method") == "Network.responseReceived" and told["type"] == "Document":
                shown = told["response"] if told["loaderId"] == loader else shown
            elif event.get("method") == "Page.loadEventFired" and shown is not None:
                return shown
        return None

    def troubles(self) -> list[str]:
        """What the page could not load or run since it was opened; what became a download was given up, not failed."""
        names = {"Network.loadingFailed", "Runtime.exceptionThrown"}
        told = [event["params"] for event in self._events if event.get("method") in names]
        return [json.dumps(each) for each in told if not each.get("canceled")]

    def look(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """One key down and up."""
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        text = {"text": "\r" if key == "Enter" else key} if key in {"Enter", " "} else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **pressed, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def picture(self, place: Path) -> None:
        """The whole page as PNG."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        place.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a fresh profile."""
    with Browser(folder / "chromium") as found:
        yield found
