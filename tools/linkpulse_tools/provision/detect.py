"""Device Defender Detect: custom metrics, and a security profile for the group of things that use it."""

import json
from pathlib import Path

from linkpulse_tools.errors import ToolError
from linkpulse_tools.provision import model
from linkpulse_tools.provision.cloud import Cloud

LARGEST = 1 << 20


def read_profile(path: Path) -> dict:
    """A security profile in the form of `aws iot create-security-profile --cli-input-json`, checked before any call."""
    with path.open("rb") as file:
        data = file.read(LARGEST)
    try:
        profile = json.loads(data)
    except ValueError as error:
        raise ToolError(f"{path} is not JSON: {error}") from None
    found = model.problems("CreateSecurityProfile", profile) if isinstance(profile, dict) else ["it is not a JSON map"]
    if found:
        raise ToolError("\n  ".join([f"{path} is not a security profile:", *found]))
    return profile


def check_metrics(metrics: dict[str, str]) -> None:
    """Refuse names and types that AWS does not have."""
    for name, kind in metrics.items():
        found = model.problems(
            "CreateCustomMetric", {"metricName": name, "metricType": kind, "clientRequestToken": "linkpulse"}
        )
        if name.startswith("aws:"):
            found.append("a name must not start with aws:")
        if found:
            raise ToolError("\n  ".join([f"custom metric {name}={kind}:", *found]))


def ensure_metrics(cloud: Cloud, metrics: dict[str, str]) -> None:
    """Makes the custom metrics that the account does not have yet."""
    for name, kind in metrics.items():
        found = cloud.account.read("describe_custom_metric", metricName=name)
        if found and found["metricType"] != kind:
            raise ToolError(
                f"custom metric {name} exists with the type {found['metricType']}, and a type cannot be changed"
            )
        cloud.have("metric", name, found, "create_custom_metric", metricName=name, metricType=kind)


def ensure_profile(cloud: Cloud, thing: str, profile: dict) -> None:
    """Make sure that the profile is attached to a thing group of the same name, and that the thing is in the group."""
    name, account = profile["securityProfileName"], cloud.account
    found = account.read("describe_security_profile", securityProfileName=name)
    _profile(cloud, profile, found)
    group = account.read("describe_thing_group", thingGroupName=name)
    cloud.have("group", name, group, "create_thing_group", thingGroupName=name)
    target = account.arn("thinggroup", name)
    there, join = target in _targets(cloud, name), {"securityProfileName": name, "securityProfileTargetArn": target}
    cloud.attached(f"profile {name} for the group", there, "attach_security_profile", f"target:{name}", **join)
    there, join = name in _groups(cloud, thing), {"thingGroupName": name, "thingName": thing}
    cloud.attached(f"{thing} in the group", there, "add_thing_to_thing_group", f"member:{name}/{thing}", **join)


def _profile(cloud: Cloud, profile: dict, found: dict | None) -> None:
    name = profile["securityProfileName"]
    if found and not _within(profile, found):
        changed = {key: value for key, value in profile.items() if key != "tags"}
        cloud.change("profile", name, "update_security_profile", **changed)
    else:
        cloud.have("profile", name, found, "create_security_profile", **profile)


def remove(cloud: Cloud, thing: str, profiles: list[str], metrics: list[str]) -> None:
    """Undo what `ensure_profile` and `ensure_metrics` did for a thing."""
    gone = [name for name in profiles if _remove_profile(cloud, thing, name)]
    for name in metrics:
        if cloud.account.read("describe_custom_metric", metricName=name) is None:
            continue
        listed = cloud.account.every("list_security_profiles", "securityProfileIdentifiers", metricName=name)
        if cloud.shared("metric", name):
            cloud.steps.add(f"metric {name}", "kept", "other things have it")
        elif {item["name"] for item in listed} - set(gone):
            cloud.steps.add(f"metric {name}", "kept", "a security profile has it")
        else:
            cloud.drop("metric", name, "delete_custom_metric", metricName=name)


def _remove_profile(cloud: Cloud, thing: str, name: str) -> bool:
    """Remove the thing from the group. With the last thing, also remove the group and the profile if provisioning made
    them. Returns whether the profile was removed."""
    account, target = cloud.account, cloud.account.arn("thinggroup", name)
    if cloud.ours("member", f"{name}/{thing}") and name in _groups(cloud, thing):
        account.write("remove_thing_from_thing_group", thingGroupName=name, thingName=thing)
        cloud.steps.add(f"{thing} in the group {name}", "removed")
    members = account.every("list_things_in_thing_group", "things", thingGroupName=name)
    if set(members) - {thing}:
        cloud.steps.add(f"group {name}", "kept", "other things are in it")
        return False
    if cloud.ours("target", name) and target in _targets(cloud, name):
        account.write("detach_security_profile", securityProfileName=name, securityProfileTargetArn=target)
    if account.read("describe_thing_group", thingGroupName=name):
        cloud.drop("group", name, "delete_thing_group", thingGroupName=name)
    if set(_targets(cloud, name)) - {target}:
        cloud.steps.add(f"profile {name}", "kept", "it is attached elsewhere")
        return False
    if account.read("describe_security_profile", securityProfileName=name):
        cloud.drop("profile", name, "delete_security_profile", securityProfileName=name)
    return cloud.ours("profile", name)


def _targets(cloud: Cloud, name: str) -> list[str]:
    """The ARNs that a profile is attached to."""
    listed = cloud.account.every(
        "list_targets_for_security_profile", "securityProfileTargets", securityProfileName=name
    )
    return [item["arn"] for item in listed]


def _groups(cloud: Cloud, thing: str) -> list[str]:
    """The groups that a thing is in."""
    listed = cloud.account.every("list_thing_groups_for_thing", "thingGroups", thingName=thing)
    return [item["groupName"] for item in listed]


def _within(wanted, found) -> bool:
    """Whether everything `wanted` is in `found`. Lists may be in any order."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name == "tags" or (name in found and _within(value, found[name])) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        left = list(found) if isinstance(found, list) else None
        if left is None or len(left) != len(wanted):
            return False
        for item in wanted:
            match = next((other for other in left if _within(item, other)), None)
            if match is None:
                return False
            left.remove(match)
        return True
    return wanted == found
