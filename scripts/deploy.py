#!/usr/bin/env python3
"""Deploys a group and shows its progress until every app in it is healthy.

usage: deploy.py http://HOST:PORT FILE [PID of the server, to notice its end]
"""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

START_SECONDS = 60
HEALTHY_SECONDS = 180


def request(method, url, body=None):
    headers = {"Content-Type": "application/json"} if body else {}
    asked = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_server(base, pid):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if pid and not is_alive(pid):
            sys.exit("the server ended before it answered")
        try:
            if request("GET", base + "/ping")[0] == 200 and request("GET", base + "/v2/leader")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"{base} does not answer")


def group_apps(base, group):
    status, body = request("GET", f"{base}/v2/groups{group}?embed=group.apps&embed=group.groups&embed=group.apps.counts")
    if status != 200:
        sys.exit(f"GET /v2/groups{group}: {status} {body.decode(errors='replace')}")
    waiting, apps = [json.loads(body)], []
    while waiting:
        node = waiting.pop()
        apps.extend(node["apps"])
        waiting.extend(node["groups"])
    return sorted(apps, key=lambda app: app["id"])


def describe(app):
    healthy = f", {app['tasksHealthy']} healthy" if app.get("healthChecks") else ""
    return f"{app['id']} {app['tasksRunning']}/{app['instances']} running{healthy}"


def is_done(app):
    enough = app["tasksHealthy"] if app.get("healthChecks") else app["tasksRunning"]
    return enough >= app["instances"] and app["tasksRunning"] == app["instances"]


def main():
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    base, path = sys.argv[1].rstrip("/"), sys.argv[2]
    pid = int(sys.argv[3]) if len(sys.argv) > 3 else None
    with open(path, "rb") as file:
        body = file.read()
    group = json.loads(body)["id"]
    wait_for_server(base, pid)
    status, answer = request("PUT", base + "/v2/groups", body)
    if status == 409:
        print(f"{group} is being deployed already: watching that", flush=True)
    elif status not in (200, 201):
        sys.exit(f"PUT /v2/groups: {status} {answer.decode(errors='replace')}")
    else:
        print(f"deploying {path} as {group}", flush=True)
    deadline, shown = time.monotonic() + HEALTHY_SECONDS, None
    while time.monotonic() < deadline:
        apps = group_apps(base, group)
        line = "   ".join(describe(app) for app in apps)
        if line != shown:
            print(f"  {line}", flush=True)
            shown = line
        deployments = json.loads(request("GET", base + "/v2/deployments")[1])
        if not deployments and all(is_done(app) for app in apps):
            return
        time.sleep(0.2)
    sys.exit(f"not healthy within {HEALTHY_SECONDS} s; see {base}/v2/queue and {base}/v2/deployments")


if __name__ == "__main__":
    main()
