"""Log in, open a page in a headless browser and save a picture. Run by the environment's Python."""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
import websocket

QUIET_SECONDS = 0.7  # no request under way for so long: the page has settled
PAGE_SECONDS = 60
HTTP_SECONDS = 60


class PageError(Exception):
    """The page could not be shown; the text says why."""


class Tab:
    """A browser tab, driven through the DevTools protocol."""

    def __init__(self, address):
        self.socket = websocket.create_connection(address, timeout=PAGE_SECONDS, suppress_origin=True)
        self.number = 0
        self.requests = {}
        self.loaded = False
        self.errors = []
        self.last_traffic = time.monotonic()

    def call(self, method, **parameters):
        """Send a command and return its result; events that arrive meanwhile are noted."""
        self.number += 1
        wanted = self.number
        self.socket.send(json.dumps({"id": wanted, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == wanted:
                if "error" in message:
                    raise PageError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.note(message)

    def note(self, message):
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent" and "/bus/" not in parameters["request"]["url"]:
            # (the end of the notification worker's own request is never reported to the page)
            self.requests[parameters["requestId"]] = parameters["request"]["url"]
            self.last_traffic = time.monotonic()
        elif method in ("Network.loadingFinished", "Network.loadingFailed"):
            self.requests.pop(parameters["requestId"], None)
            self.last_traffic = time.monotonic()
        elif method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.errors.append(" ".join(str(part.get("value") or part.get("description", ""))
                                        for part in parameters["args"]))

    def settle(self, condition):
        """Wait until the page has loaded, no request is under way and the JavaScript condition holds."""
        until = time.monotonic() + PAGE_SECONDS
        self.socket.settimeout(0.2)
        while True:
            try:
                self.note(json.loads(self.socket.recv()))
                continue
            except websocket.WebSocketTimeoutException:
                pass
            quiet = not self.requests and time.monotonic() - self.last_traffic > QUIET_SECONDS
            if self.loaded and quiet:
                self.socket.settimeout(PAGE_SECONDS)
                if self.evaluate(condition):
                    return
                self.socket.settimeout(0.2)
            if time.monotonic() > until:
                self.socket.settimeout(PAGE_SECONDS)
                waiting = f", under way: {' '.join(self.requests.values())}" if self.requests else ""
                self.errors.append(f"not settled within {PAGE_SECONDS} s: loaded {self.loaded}{waiting}, "
                                   f"waiting for {condition}")
                return

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise PageError(result["exceptionDetails"]["exception"].get("description", "script error"))
        return result["result"].get("value")


def session_cookie(url, login):
    """Log in as a person does; the development databases have the login as password."""
    session = requests.Session()
    page = session.get(f"{url}/web/login", timeout=HTTP_SECONDS)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    if not token:
        raise PageError(f"{url}/web/login shows no login form")
    session.post(f"{url}/web/login", timeout=HTTP_SECONDS,
                 data={"login": login, "password": login, "csrf_token": token[1]})
    check = session.get(f"{url}/odoo", timeout=HTTP_SECONDS)
    if "/web/login" in check.url:
        raise PageError(f"{login} could not log in with the password {login}")
    return session.cookies["session_id"]


def start_browser(executable, profile, width, height):
    command = [executable, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}",
               "--no-first-run", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
               "--force-color-profile=srgb", f"--window-size={width},{height}", "about:blank"]
    if os.geteuid() == 0:
        command.insert(1, "--no-sandbox")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    port_file = Path(profile) / "DevToolsActivePort"
    until = time.monotonic() + PAGE_SECONDS
    while not (port_file.is_file() and port_file.read_text().strip()):
        if process.poll() is not None or time.monotonic() > until:
            raise PageError(f"{executable} did not start: try `{executable} --headless=new about:blank`")
        time.sleep(0.1)
    return process, int(port_file.read_text().splitlines()[0])


def picture(options):
    """Take the picture and return the errors the page reported."""
    cookie = session_cookie(options.url, options.login)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process, port = start_browser(options.browser, profile, options.width, options.height)
        try:
            tabs = requests.get(f"http://127.0.0.1:{port}/json", timeout=HTTP_SECONDS).json()
            tab = Tab(next(one["webSocketDebuggerUrl"] for one in tabs if one["type"] == "page"))
            for domain in ("Page", "Network", "Runtime"):
                tab.call(f"{domain}.enable")
            tab.call("Emulation.setDeviceMetricsOverride", width=options.width, height=options.height,
                     deviceScaleFactor=1, mobile=False)
            tab.call("Network.setCookie", name="session_id", value=cookie, url=options.url)
            tab.call("Page.navigate", url=options.url + options.path)
            tab.settle("!document.querySelector('.o_web_client') || "
                       "!!document.querySelector('.o_action_manager > *:not(.o_loading)')")
            for selector in options.click:
                quoted = json.dumps(selector)
                tab.settle(f"!!document.querySelector({quoted})")
                tab.evaluate(f"document.querySelector({quoted}).click()")
                tab.settle("true")
            if options.wait:
                tab.settle(f"!!document.querySelector({json.dumps(options.wait)})")
            data = tab.call("Page.captureScreenshot", format="png")["data"]
            Path(options.output).write_bytes(base64.b64decode(data))
            if tab.evaluate("!!document.querySelector('.o_error_dialog')"):
                tab.errors.append("an error dialog is open")
            return tab.errors
        finally:
            process.terminate()
            process.wait(30)


def main():
    parser = argparse.ArgumentParser()
    for name in ("browser", "url", "path", "output", "login"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--wait", default="")
    parser.add_argument("--click", action="append", default=[])
    try:
        errors = picture(parser.parse_args())
    except (PageError, requests.RequestException) as error:
        sys.exit(f"no picture: {error}")
    for error in errors:
        print(f"the page reported: {error}", file=sys.stderr)
    sys.exit(bool(errors))


if __name__ == "__main__":
    sys.path = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]
    main()
