"""What Marathon answers since 1.9 and the library, written for earlier ones, does not know.

The server answers as Marathon 1.11 does, so the plain library stumbles over exactly these two: `tasksStats` of apps, and
plans without group trees in events. A case says so. Every other member is read by the library as it comes. (Nor does it know the `scheduler_…` events, which are told when the master changes
hands; without that no run meets one.)
"""

import json

import requests

PLAN_EVENTS = ('deployment_info', 'deployment_step_success', 'deployment_step_failure')
"""Events whose `plan` must have `original` and `target` for the library; Marathon dropped both in 1.8."""

YOUNGER_ATTRIBUTES = {
    'deployment_step_success': {'current_step'},
    'deployment_step_failure': {'current_step'},
    'deployment_success': {'plan'},
    'deployment_failed': {'plan', 'reason'},
    'health_status_changed_event': {'version'},
    'instance_changed_event': {'agent_id'},
}
"""What events of Marathon 1.11 carry and the library passes over in silence."""


class OlderSession(requests.Session):
    """A session for the library that gives the younger member its old name, and does nothing else."""

    def request(self, *arguments, **options):
        response = super().request(*arguments, **options)
        if response.content and 'application/json' in response.headers.get('content-type', ''):
            response._content = json.dumps(older(response.json())).encode()
        return response


def older(body):
    """An answer as it was before: statistics have the old name."""
    if isinstance(body, list):
        return [older(item) for item in body]
    if not isinstance(body, dict):
        return body
    members = {name: older(value) for name, value in body.items()}
    if 'tasksStats' in members:
        members['taskStats'] = members.pop('tasksStats')
    return members


def older_event(text):
    """An event as it was before, as an object."""
    event = json.loads(text)
    if event['eventType'] in PLAN_EVENTS:
        event['plan'].update(original={}, target={})
    return event
