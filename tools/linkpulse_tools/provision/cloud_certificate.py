"""A thing's certificate in AWS, signed there for a request.

It is created inactive, recorded, and only then activated. An interrupted run therefore leaves nothing that could
connect.
"""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki import keys, leaf
from linkpulse_tools.provision.cloud import Cloud


def ensure(cloud: Cloud, request, renew: bool) -> str | None:
    """The ARN of the thing's active certificate, whose file exists. None if this rehearsal would create it."""
    store, noted = cloud.store, cloud.noted
    if noted.key == "host":
        key, state = keys.ensure(store, f"{noted.thing}/key.der")
        cloud.steps.add(f"{noted.thing}/key.der", state)
        request = keys.make_request(key, noted.thing)
    name, ids = f"{noted.thing}/cert.der", noted.aws["certificates"]
    found = cloud.account.read("describe_certificate", certificateId=ids[-1]) if ids else None
    known = found["certificateDescription"] if found else None
    state = _judge(cloud, known, request, renew)
    if state != "there":
        if request is None:
            raise ToolError(f"{noted.thing} has its own key: give its certificate request with --csr")
        known = _ask(cloud, request)
    if known is None:
        cloud.steps.add(name, state)
        return None
    certificate = _parsed(known)
    written = store.write(name, certificate.public_bytes(Encoding.DER))
    detail = leaf.until(certificate, datetime.datetime.now(datetime.timezone.utc))
    cloud.steps.add(name, written if state == "there" else state, detail)
    _activate(cloud, known)
    return known["certificateArn"]


def remove(cloud: Cloud, identity: str) -> None:
    """Detach, deactivate and delete a certificate that provisioning asked for."""
    account = cloud.account
    found = account.read("describe_certificate", certificateId=identity)
    if found is None:
        return
    arn = found["certificateDescription"]["certificateArn"]
    for thing in account.every("list_principal_things", "things", principal=arn):
        account.write("detach_thing_principal", thingName=thing, principal=arn)
    for policy in account.every("list_attached_policies", "policies", target=arn):
        account.write("detach_policy", policyName=policy["policyName"], target=arn)
    if found["certificateDescription"]["status"] == "ACTIVE":
        account.write("update_certificate", certificateId=identity, newStatus="INACTIVE")
    account.write("delete_certificate", certificateId=identity)
    cloud.steps.add(f"certificate {identity[:12]}…", "removed")


def _judge(cloud: Cloud, known: dict | None, request, renew: bool) -> str:
    if known is None:
        return "changed" if cloud.noted.aws["certificates"] else "made"
    interrupted = known["status"] == "INACTIVE" and cloud.noted.aws.get("active") != known["certificateId"]
    if known["status"] != "ACTIVE" and not interrupted:
        raise ToolError(
            f"the certificate of {cloud.noted.thing} is {known['status']} in AWS: activate it there, or use --remove "
            "and provision again"
        )
    certificate = _parsed(known)
    if request is not None and certificate.public_key() != request.public_key():
        return "changed"
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    return "renewed" if renew and left <= leaf.SOON else "there"


def _ask(cloud: Cloud, request) -> dict | None:
    pem = request.public_bytes(Encoding.PEM).decode()
    made = cloud.account.write("create_certificate_from_csr", certificateSigningRequest=pem, setAsActive=False)
    if made is None:
        return None
    cloud.noted.aws["certificates"].append(made["certificateId"])
    cloud.noted.save(cloud.store)
    return {**made, "status": "INACTIVE"}


def _activate(cloud: Cloud, known: dict) -> None:
    if known["status"] == "INACTIVE":
        cloud.account.write("update_certificate", certificateId=known["certificateId"], newStatus="ACTIVE")
    if cloud.noted.aws.get("active") != known["certificateId"]:
        cloud.noted.aws["active"] = known["certificateId"]
        cloud.noted.save(cloud.store)


def _parsed(known: dict) -> x509.Certificate:
    return x509.load_pem_x509_certificate(known["certificatePem"].encode())
