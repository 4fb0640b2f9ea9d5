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
LIGHT_STYLES = "*/web.assets_web.min.css*"
DARK_STYLES = "/web/assets/debug/web.assets_web_dark.css"  # "debug": as the files are now
DARK_COLOURS = "/psa_hub_dev/colours.dark.scss"


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

    def send(self, method, **parameters):
        """Send a command without waiting for its result; returns its number."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        return self.number

    def call(self, method, **parameters):
        """Send a command and return its result; events that arrive meanwhile are noted."""
        wanted = self.send(method, **parameters)
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
        elif method == "Fetch.requestPaused":
            self.send("Fetch.continueRequest", requestId=parameters["requestId"],
                      url=dark_address(parameters["request"]["url"]))
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


def dark_address(address):
    """Where the dark styles are on the server that has the light ones at `address`."""
    return "/".join(address.split("/")[:3]) + DARK_STYLES


def dark_colours(session, url):
    """Give the database the dark colours that Odoo Community's own dark styles lack; once.

    Enterprise and the community's dark themes bring theirs in the same way: before Odoo's variables, as those are
    only defaults.

    :param session: requests.Session of the administrator
    """
    def call(model, method, *arguments, **named):
        answer = session.post(f"{url}/web/dataset/call_kw/{model}/{method}", timeout=HTTP_SECONDS, json={
            "params": {"model": model, "method": method, "args": arguments, "kwargs": named}}).json()
        if "error" in answer:
            raise PageError(f"no dark colours: {answer['error']['data']['message']}")
        return answer["result"]

    colours = base64.b64encode(Path(__file__).with_name("colours.dark.scss").read_bytes()).decode()
    found = call("ir.attachment", "search_read", [["url", "=", DARK_COLOURS]], ["datas"])
    if not found:
        call("ir.attachment", "create", {"name": "colours.dark.scss", "url": DARK_COLOURS, "type": "binary",
                                         "mimetype": "text/scss", "datas": colours, "public": True})
        call("ir.asset", "create", {"name": "Dark colours for pictures", "bundle": "web.assets_web_dark",
                                    "directive": "before", "target": "web/static/src/scss/primary_variables.scss",
                                    "path": DARK_COLOURS})
    elif found[0]["datas"] != colours:
        call("ir.attachment", "write", [found[0]["id"]], {"datas": colours})


def logged_in(url, login):
    """Log in as a person does; the development databases have the login as password.

    :return: requests.Session
    """
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
    return session


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
    cookie = logged_in(options.url, options.login).cookies["session_id"]
    if options.dark:
        dark_colours(logged_in(options.url, "admin"), options.url)
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
            if options.dark:
                tab.call("Network.setCookie", name="color_scheme", value="dark", url=options.url)
                tab.call("Fetch.enable", patterns=[{"urlPattern": LIGHT_STYLES}])
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
    parser.add_argument("--dark", action="store_true")
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
