"""Provisioning a thing of AWS IoT. AWS gets a certificate request, so the key stays here or on the device."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki import keys
from linkpulse_tools.pki.steps import Steps
from linkpulse_tools.pki.store import Store
from linkpulse_tools.provision import cloud_certificate, detect, local, policy, record, settings
from linkpulse_tools.provision.account import Account
from linkpulse_tools.provision.cloud import Cloud
from linkpulse_tools.provision.record import Record

PORT = 8883
ROOT = "https://www.amazontrust.com/repository/AmazonRootCA1.pem"


@dataclass(frozen=True)
class Wanted:
    """What to make in addition to a thing, its certificate and its policy.

    `root` is Amazon's root CA as DER. `profile` has the form that create_security_profile takes. `metrics` maps names
    to types.
    """

    root: bytes
    profile: dict | None = None
    metrics: dict[str, str] = field(default_factory=dict)


def root(store: Store, thing: str, given: Path | None) -> bytes:
    """Amazon's root CA as DER: from the file `given`, or else the one that the thing already has."""
    if given is None:
        found = store.read(f"{thing}/ca.der")
        if found is None:
            raise ToolError(
                f"the device needs Amazon's root CA, which AWS's API does not provide: download {ROOT} and name "
                f"it with --ca FILE"
            )
        return found
    with given.open("rb") as file:
        data = file.read(keys.LARGEST)
    try:
        pem = b"-----BEGIN" in data
        certificates = x509.load_pem_x509_certificates(data) if pem else [x509.load_der_x509_certificate(data)]
        if len(certificates) != 1:
            raise ValueError("it contains several certificates")
        extensions = certificates[0].extensions
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise ValueError("it is not the certificate of a CA")
    except (ValueError, x509.ExtensionNotFound) as error:
        raise ToolError(f"{given} is not a root CA's certificate as PEM or DER ({error}): download {ROOT}") from None
    return certificates[0].public_bytes(Encoding.DER)


def provision(
    account: Account, store: Store, steps: Steps, thing: str, request, values: dict, wanted: Wanted, renew: bool
) -> None:
    """Make sure that AWS and the device's folder have everything for `thing`.

    `request` is the certificate request for the device's own key, or None if the key is made here. `values` are for its
    settings, with AWS's endpoint as host.
    """
    values = {**values, "host": account.read("describe_endpoint", endpointType="iot:Data-ATS")["endpointAddress"]}
    chosen = {**settings.read(store, thing), **values}
    noted = record.start(store, thing, "aws", "device" if request else "host")
    cloud = Cloud(account, store, steps, noted)
    cloud.have("thing", thing, account.read("describe_thing", thingName=thing), "create_thing", thingName=thing)
    certificate = cloud_certificate.ensure(cloud, request, renew)
    attached = certificate in account.every("list_thing_principals", "principals", thingName=thing)
    ends = {"thingName": thing, "principal": certificate}
    cloud.attached(f"certificate of {thing}", attached, "attach_thing_principal", **ends)
    _policy(cloud, certificate, chosen.get("format", "cbor"), chosen.get("topic"))
    detect.ensure_metrics(cloud, wanted.metrics)
    if wanted.profile:
        detect.ensure_profile(cloud, thing, wanted.profile)
    steps.add(f"{thing}/ca.der", store.write(f"{thing}/ca.der", wanted.root))
    steps.add(f"{thing}/{settings.NAME}", settings.write(store, thing, values))


def remove(account: Account, store: Store, steps: Steps, noted: Record) -> None:
    """Remove what `provision` made, except what somebody else made or still uses."""
    cloud, thing = Cloud(account, store, steps, noted), noted.thing
    detect.remove(cloud, thing, noted.aws["profiles"], noted.aws["metrics"])
    for identity in noted.aws["certificates"]:
        cloud_certificate.remove(cloud, identity)
    for name in noted.aws["policies"]:
        _remove_policy(cloud, name)
    if account.read("describe_thing", thingName=thing):
        principals = account.every("list_thing_principals", "principals", thingName=thing)
        if set(principals) - _arns(cloud):
            steps.add(f"thing {thing}", "kept", "another certificate is attached to it")
        else:
            cloud.drop("thing", thing, "delete_thing", thingName=thing)
    local.remove_files(store, steps, noted)


def _policy(cloud: Cloud, certificate: str | None, fmt: str, topic: str | None) -> None:
    """Attach the policy for the thing's present settings to its certificate, and detach the policy for earlier ones."""
    account, name = cloud.account, policy.name(cloud.noted.thing, fmt, topic)
    document = policy.document(account, fmt, topic)
    found = account.read("get_policy", policyName=name)
    if found and json.loads(found["policyDocument"]) != json.loads(document):
        cloud.change(
            "policy", name, "create_policy_version", policyName=name, policyDocument=document, setAsDefault=True
        )
        account.write("delete_policy_version", policyName=name, policyVersionId=found["defaultVersionId"])
    else:
        cloud.have("policy", name, found, "create_policy", policyName=name, policyDocument=document)
    attached = _attached(account, certificate) if certificate else []
    cloud.attached(
        f"policy {name} for the certificate", name in attached, "attach_policy", policyName=name, target=certificate
    )
    for other in [used for used in cloud.noted.aws["policies"] if used != name]:
        if other in attached:
            account.write("detach_policy", policyName=other, target=certificate)
        _remove_policy(cloud, other)
        cloud.forget("policy", other)


def _remove_policy(cloud: Cloud, name: str) -> None:
    account = cloud.account
    if account.read("get_policy", policyName=name) is None:
        return
    targets = account.every("list_targets_for_policy", "targets", policyName=name)
    if set(targets) - _arns(cloud):
        cloud.steps.add(f"policy {name}", "kept", "other certificates have it")
    else:
        cloud.drop("policy", name, "delete_policy", policyName=name)


def _attached(account: Account, certificate: str) -> list[str]:
    found = account.every("list_attached_policies", "policies", target=certificate)
    return [item["policyName"] for item in found]


def _arns(cloud: Cloud) -> set[str]:
    return {cloud.account.arn("cert", identity) for identity in cloud.noted.aws["certificates"]}
