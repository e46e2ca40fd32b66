"""A real browser, without a window, driven by its own protocol over two pipes (`--remote-debugging-pipe`)."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")


def find_browser() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """A page that is open. What it logs, and what it asks the network for, is kept."""

    def __init__(self, send: Callable[..., Any], session: str) -> None:
        self._send = send
        self._session = session
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        return self._send(method, self._session, **params)

    def heard(self, method: str, params: Any) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def do(self, script: str) -> Any:
        """Run JavaScript in the page; give what it comes to."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"].get("exception", found["exceptionDetails"]))
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = 10) -> Any:
        """Wait until a condition holds: the browser looks at each of its frames, or 50 times a second."""
        script = f"""new Promise((resolve, reject) => {{
            const end = performance.now() + {seconds * 1000};
            const look = () => {{
                const found = {condition};
                if (found) resolve(found);
                else if (performance.now() > end) reject(new Error('never: ' + {json.dumps(condition)}));
                else setTimeout(look, 20);
            }};
            look();
        }})"""
        return self.do(script)

    def upload(self, selector: str, *files: Path) -> None:
        """Choose files, as a person does in the dialog of an input element."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def type(self, selector: str, text: str) -> None:
        """Type into what a selector finds, in place of what is there."""
        self.do(f"(found => {{ found.focus(); found.select(); }})(document.querySelector({json.dumps(selector)}))")
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        self.do(f"document.querySelector({json.dumps(selector)}).click()")


class Browser:
    """Starts a browser for a `with`."""

    def __init__(self, directory: Path, program: str) -> None:
        self._directory = directory
        self._program = program
        self._number = 0
        self._rest = b""
        self._tabs: dict[str, Tab] = {}

    def __enter__(self) -> Self:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        self._in, self._out = ours_in, ours_out
        flags = [
            *("--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
            *(f"--user-data-dir={self._directory}", "about:blank"),
        ]
        # The protocol's descriptors are 3 and 4 (chromium's own choice).
        script = f'exec 8<&{theirs_in} 9>&{theirs_out}; exec "$0" "$@" 3<&8 4>&9'
        self._process = subprocess.Popen(
            ["bash", "-c", script, self._program, *flags],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)
        os.close(self._in)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def tab(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Tab]:
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self._tabs[session] = Tab(self._send, session)
        tab.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tab.call("Emulation.setEmulatedMedia", features=[scheme])
        yield tab
        self._send("Target.closeTarget", targetId=target)

    def _send(self, method: str, session: str | None = None, **params: Any) -> Any:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            told = self._receive()
            if told.get("id") == number:
                if "error" in told:
                    raise AssertionError(f"{method}: {told['error']}")
                return told["result"]
            if tab := self._tabs.get(told.get("sessionId", "")):
                tab.heard(told.get("method", ""), told.get("params"))
        raise AssertionError(f"{method}: no answer")

    def _receive(self) -> Any:
        while b"\0" not in self._rest:
            block = os.read(self._in, 1 << 20)
            if not block:
                raise AssertionError("the browser ended")
            self._rest += block
        text, _, self._rest = self._rest.partition(b"\0")
        return json.loads(text)
