"""`linkpulse provision --aws` against moto, and against botocore's model where moto does not go. Never an account."""

import json
import re
import sys

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from moto import mock_aws

from linkpulse_tools import files, paths
from linkpulse_tools.pki import certs, keys
from linkpulse_tools.provision import account, model, policy
from tests.doubles import aws
from tests.host.provision.provisioning import Devices

THING = "gw-1"
GROUP = "gateways"
PROFILE = {
    "securityProfileName": GROUP,
    "securityProfileDescription": "what is normal",
    "behaviors": [
        {
            "name": "few-connections",
            "metric": "aws:num-established-tcp-connections",
            "criteria": {"comparisonOperator": "less-than", "value": {"count": 50}, "durationSeconds": 300},
        },
        {
            "name": "ports",
            "metric": "aws:listening-tcp-ports",
            "criteria": {"comparisonOperator": "in-port-set", "value": {"ports": [22, 443]}},
        },
        {
            "name": "cool",
            "metric": "temperature",
            "criteria": {"comparisonOperator": "less-than", "value": {"number": 60.5}, "durationSeconds": 300},
        },
    ],
    "tags": [{"Key": "site", "Value": "a"}],
}


@pytest.fixture
def cloud(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", aws.REGION)
    with mock_aws():
        cloud = aws.Cloud(monkeypatch)
        monkeypatch.setattr(account, "clients", lambda: cloud.clients)
        yield cloud


@pytest.fixture
def devices(tmp_path, capsys, cloud):
    return Devices(tmp_path / "devices", capsys)


@pytest.fixture
def root(tmp_path):
    """A CA's certificate in the place of Amazon's."""
    return certs.save(certs.make_authority("Amazon Root CA 1"), tmp_path, "root").pem


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(PROFILE))
    return path


@pytest.fixture
def all_of_it(root, profile):
    """The arguments that leave nothing out."""
    return (THING, "--aws", "--ca", root, "--profile", profile, "--custom-metric", "temperature=number")


def request(path, key):
    path.write_bytes(keys.make_request(key, "x").public_bytes(serialization.Encoding.PEM))
    return path


def test_thing_can_connect_with_its_folder_and_do_no_more(devices, cloud, root):
    devices.provision(THING, "--aws", "--ca", root)
    assert devices.json(f"{THING}/settings.json") == {
        "thing": THING,
        "host": aws.ENDPOINT,
        "port": 8883,
        "ca": "ca.der",
        "cert": "cert.der",
        "key": "key.der",
    }
    own = x509.load_der_x509_certificate(devices.read(f"{THING}/cert.der"))
    key = serialization.load_der_private_key(devices.read(f"{THING}/key.der"), None)
    assert own.public_key() == key.public_key()
    assert devices.read(f"{THING}/ca.der") == x509.load_pem_x509_certificate(root.read_bytes()).public_bytes(
        serialization.Encoding.DER
    )
    seen = cloud.contents()
    ((identity, status),) = seen["certificates"]
    assert (seen["things"], status, seen["policies"]) == ([THING], "ACTIVE", ["linkpulse-cbor"])
    assert seen["attached"] == {identity: ([THING], ["linkpulse-cbor"])}
    pem = cloud.iot.describe_certificate(certificateId=identity)["certificateDescription"]["certificatePem"]
    assert x509.load_pem_x509_certificate(pem.encode()) == own
    found = json.loads(cloud.iot.get_policy(policyName="linkpulse-cbor")["policyDocument"])
    arn = f"arn:aws:iot:{aws.REGION}:{aws.ACCOUNT}"
    reports = "$aws/things/${iot:Connection.Thing.ThingName}/defender/metrics/cbor"
    answers = [f"{reports}/accepted", f"{reports}/rejected"]
    assert [(one["Effect"], one["Action"], one["Resource"]) for one in found["Statement"]] == [
        ("Allow", "iot:Connect", f"{arn}:client/${{iot:Connection.Thing.ThingName}}"),
        ("Allow", "iot:Publish", f"{arn}:topic/{reports}"),
        ("Allow", "iot:Subscribe", [f"{arn}:topicfilter/{answer}" for answer in answers]),
        ("Allow", "iot:Receive", [f"{arn}:topic/{answer}" for answer in answers]),
    ]
    assert found["Statement"][0]["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}


def test_all_of_it_is_there_and_the_second_run_only_reads(devices, cloud, all_of_it):
    devices.provision(*all_of_it)
    seen, before = cloud.contents(), devices.snapshot()
    assert (seen["metrics"], seen["groups"]) == ({"temperature": "number"}, [GROUP])
    assert seen["targets"] == {GROUP: [f"arn:aws:iot:{aws.REGION}:{aws.ACCOUNT}:thinggroup/{GROUP}"]}
    assert cloud.iot.list_things_in_thing_group(thingGroupName=GROUP)["things"] == [THING]
    cloud.calls.clear()
    assert set(devices.provision(*all_of_it).values()) == {"there"}
    assert devices.run(THING) == 0, "what is there needs no option again"
    assert "nothing to do: everything exists already" in devices.out
    assert cloud.writes() == [] and cloud.calls
    assert (cloud.contents(), devices.snapshot()) == (seen, before)


def test_dry_run_only_reads_and_tells_what_the_run_does(devices, cloud, all_of_it):
    empty = cloud.contents()
    told = devices.provision(*all_of_it, "--dry-run")
    assert cloud.writes() == [] and cloud.calls
    assert not devices.folder.exists() and cloud.contents() == empty
    assert told == devices.provision(*all_of_it)
    seen, before = cloud.contents(), devices.snapshot()
    cloud.calls.clear()
    told = devices.provision(THING, "--remove", "--dry-run")
    assert cloud.writes() == [] and cloud.calls
    assert (cloud.contents(), devices.snapshot()) == (seen, before)
    assert told == devices.provision(THING, "--remove")


def test_remove_leaves_nothing(devices, cloud, all_of_it):
    empty = cloud.contents()
    devices.provision(*all_of_it)
    devices.provision(THING, "--remove")
    assert cloud.contents() == empty
    assert not (devices.folder / THING).exists()
    cloud.calls.clear()
    assert devices.run(THING, "--remove") == 1
    assert f"has no thing {THING}" in devices.err and cloud.calls == []


def test_what_things_share_goes_with_the_last(devices, cloud, all_of_it):
    empty = cloud.contents()
    devices.provision(*all_of_it)
    devices.provision("gw-2", *all_of_it[1:])
    states = devices.provision(THING, "--remove")
    assert {what for what, state in states.items() if state == "kept"} == {
        "policy linkpulse-cbor",
        f"group {GROUP}",
        "metric temperature",
    }
    seen = cloud.contents()
    assert (seen["things"], seen["policies"], seen["groups"]) == (["gw-2"], ["linkpulse-cbor"], [GROUP])
    assert set(devices.provision("gw-2", *all_of_it[1:]).values()) == {"there"}
    devices.provision("gw-2", "--remove")
    assert cloud.contents() == empty


def test_what_was_there_before_stays(devices, cloud, all_of_it, tmp_path, capsys):
    iot = cloud.iot
    iot.create_thing(thingName=THING)
    iot.create_thing_group(thingGroupName=GROUP)
    cloud.detect.CreateCustomMetric("temperature", "number")
    cloud.detect.CreateSecurityProfile(**PROFILE)
    elsewhere = Devices(tmp_path / "elsewhere", capsys)  # another person, another folder, the same account
    elsewhere.provision("other", "--aws", "--ca", all_of_it[3])
    before = cloud.contents()
    states = devices.provision(*all_of_it)
    assert states[f"thing {THING}"] == states["policy linkpulse-cbor"] == states[f"profile {GROUP}"] == "there"
    states = devices.provision(THING, "--remove")
    assert {what for what, state in states.items() if state == "kept"} == {
        f"thing {THING}",
        "policy linkpulse-cbor",
        f"profile {GROUP}",
        f"group {GROUP}",
        "metric temperature",
    }
    assert cloud.contents() == before


def test_membership_that_was_there_before_stays(devices, cloud, all_of_it):
    cloud.iot.create_thing(thingName=THING)
    cloud.iot.create_thing_group(thingGroupName=GROUP)
    cloud.iot.add_thing_to_thing_group(thingGroupName=GROUP, thingName=THING)
    cloud.detect.CreateCustomMetric("temperature", "number")
    cloud.detect.CreateSecurityProfile(**PROFILE)
    cloud.detect.AttachSecurityProfile(GROUP, f"arn:aws:iot:{aws.REGION}:{aws.ACCOUNT}:thinggroup/{GROUP}")
    before = cloud.contents()
    devices.provision(*all_of_it)
    devices.provision(THING, "--remove")
    assert cloud.contents() == before
    assert cloud.iot.list_things_in_thing_group(thingGroupName=GROUP)["things"] == [THING]


def test_metric_that_another_profile_has_stays(devices, cloud, all_of_it):
    devices.provision(*all_of_it)
    cloud.detect.CreateSecurityProfile("another", behaviors=PROFILE["behaviors"])
    assert devices.provision(THING, "--remove")["metric temperature"] == "kept"
    assert cloud.contents()["metrics"] == {"temperature": "number"}


def test_policy_that_somebody_else_made_is_neither_taken_nor_changed(devices, cloud, root):
    document = '{"Version":"2012-10-17","Statement":[]}'
    cloud.iot.create_policy(policyName="linkpulse-cbor", policyDocument=document)
    assert devices.run(THING, "--aws", "--ca", root) == 1
    assert "linkpulse-cbor that provision did not make" in devices.err
    assert cloud.iot.get_policy(policyName="linkpulse-cbor")["policyDocument"] == document
    devices.provision(THING, "--remove")
    assert cloud.contents()["policies"] == ["linkpulse-cbor"]
    assert cloud.contents()["certificates"] == []


def test_policy_that_provisioning_made_is_brought_back(devices, cloud, root):
    devices.provision(THING, "--aws", "--ca", root)
    wide = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}'
    cloud.iot.create_policy_version(policyName="linkpulse-cbor", policyDocument=wide, setAsDefault=True)
    assert devices.provision(THING)["policy linkpulse-cbor"] == "changed"
    assert "iot:*" not in cloud.iot.get_policy(policyName="linkpulse-cbor")["policyDocument"]


def test_another_format_is_another_policy(devices, cloud, root):
    devices.provision(THING, "--aws", "--ca", root)
    states = devices.provision(THING, "--format", "json")
    assert states["policy linkpulse-json"] == "made" and states["policy linkpulse-cbor"] == "removed"
    seen = cloud.contents()
    assert seen["policies"] == ["linkpulse-json"]
    assert [attached for _, attached in seen["attached"].values()] == [["linkpulse-json"]]
    assert set(devices.provision(THING).values()) == {"there"}


def test_topic_of_its_own_is_a_policy_of_its_own(devices, cloud, root):
    devices.provision("gw:1", "--aws", "--ca", root, "--topic", "site/a")
    (name,) = cloud.contents()["policies"]
    assert name == "linkpulse-topic-gw.1"
    assert devices.provision("gw:1", "--topic", "site/b")[f"policy {name}"] == "changed"
    found = cloud.iot.get_policy(policyName=name)["policyDocument"]
    assert "topic/site/b" in found and "site/a" not in found and "$aws" not in found
    assert len(cloud.iot.list_policy_versions(policyName=name)["policyVersions"]) == 1
    devices.provision("gw:1", "--remove")
    assert cloud.contents()["policies"] == []


@pytest.mark.parametrize("fmt,topic", [("json", None), ("cbor", "x" * 220)])
def test_policy_fits(cloud, fmt, topic):
    document = policy.document(account.Account(), fmt, topic)
    assert len(document) <= 2048
    name = policy.name("a:" * 32, fmt, topic)
    assert re.fullmatch(r"[\w+=,.@-]{1,128}", name)
    assert model.problems("CreatePolicy", {"policyName": name, "policyDocument": document}) == []
    for statement in json.loads(document)["Statement"]:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            assert "*" not in resource and "+" not in resource and "#" not in resource


PAGE = (paths.ROOT / "docs" / "provision.md").read_text()


def test_policy_is_the_one_that_the_page_shows(cloud):
    shown = (
        PAGE.partition("```json\n")[2].partition("```")[0].replace("REGION", aws.REGION).replace("ACCOUNT", aws.ACCOUNT)
    )
    assert json.loads(shown) == json.loads(policy.document(account.Account(), "cbor", None))


def test_page_names_every_permission_that_is_needed(devices, cloud, all_of_it, profile):
    """And none that is not."""
    devices.provision(*all_of_it)
    profile.write_text(json.dumps({**PROFILE, "behaviors": PROFILE["behaviors"][:1]}))
    devices.provision(*all_of_it, "--format", "json")
    devices.provision(THING, "--topic", "a")
    devices.provision(THING, "--topic", "b")
    devices.provision(THING, "--remove")
    assert {name for name, _ in cloud.calls} == set(re.findall(r"`iot:([A-Z][A-Za-z]+)`", PAGE))


# --- keys and certificates


def test_key_never_leaves_the_host(devices, cloud, all_of_it, monkeypatch):
    sent = []
    original = cloud._before

    def before(model, params, context, **more):
        sent.append(repr(params["body"]) + params["url_path"] + repr(params["query_string"]))
        return original(model=model, context=context, **more)

    monkeypatch.setattr(cloud, "_before", before)
    devices.provision(*all_of_it)
    der = devices.read(f"{THING}/key.der")
    pem = certs.encode_key(serialization.load_der_private_key(der, None), serialization.Encoding.PEM).decode()
    assert any("BEGIN CERTIFICATE REQUEST" in text for text in sent)
    for text in [*sent, devices.out, devices.err, devices.read(f"{THING}/provision.json").decode()]:
        assert "PRIVATE" not in text
        assert not [line for line in pem.splitlines() if line in text]


def test_request_of_a_devices_own_key(devices, cloud, root, tmp_path):
    key = certs.new_key()
    path = request(tmp_path / "device.csr", key)
    devices.provision(THING, "--aws", "--ca", root, "--csr", path, "--key", "own.key")
    assert not (devices.folder / THING / "key.der").exists()
    assert devices.json(f"{THING}/settings.json")["key"] == "own.key"
    own = x509.load_der_x509_certificate(devices.read(f"{THING}/cert.der"))
    assert own.public_key() == key.public_key()
    assert set(devices.provision(THING).values()) == set(devices.provision(THING, "--csr", path).values()) == {"there"}
    assert devices.provision(THING, "--csr", request(path, certs.new_key()))[f"{THING}/cert.der"] == "changed"
    devices.provision(THING, "--remove")
    assert cloud.contents()["certificates"] == []


def test_certificate_about_to_expire_is_renewed_when_asked(devices, cloud, root):
    cloud.lifetime = aws.datetime.timedelta(days=20)
    devices.provision(THING, "--aws", "--ca", root)
    old = devices.read(f"{THING}/cert.der")
    assert devices.run(THING) == 0
    assert "--renew" in devices.out and devices.read(f"{THING}/cert.der") == old
    cloud.lifetime = aws.datetime.timedelta(days=900)
    assert devices.provision(THING, "--renew")[f"{THING}/cert.der"] == "renewed"
    assert devices.read(f"{THING}/cert.der") != old
    assert set(devices.provision(THING, "--renew").values()) == {"there"}
    seen = cloud.contents()
    assert len(seen["certificates"]) == 2, "the device has the old one until it is deployed to"
    assert set(map(str, seen["attached"].values())) == {str(([THING], ["linkpulse-cbor"]))}
    devices.provision(THING, "--remove")
    assert cloud.contents()["certificates"] == []


def test_certificate_that_somebody_deactivated_is_not_activated(devices, cloud, root):
    devices.provision(THING, "--aws", "--ca", root)
    ((identity, _),) = cloud.contents()["certificates"]
    cloud.iot.update_certificate(certificateId=identity, newStatus="INACTIVE")
    assert devices.run(THING) == 1
    assert "is INACTIVE in AWS" in devices.err
    assert cloud.contents()["certificates"] == [(identity, "INACTIVE")]


def test_certificate_that_is_gone_is_asked_for_again(devices, cloud, root):
    devices.provision(THING, "--aws", "--ca", root)
    ((identity, _),) = cloud.contents()["certificates"]
    arn = cloud.iot.describe_certificate(certificateId=identity)["certificateDescription"]["certificateArn"]
    cloud.iot.detach_thing_principal(thingName=THING, principal=arn)
    cloud.iot.update_certificate(certificateId=identity, newStatus="INACTIVE")
    cloud.iot.delete_certificate(certificateId=identity, forceDelete=True)
    assert devices.provision(THING)[f"{THING}/cert.der"] == "changed"
    assert [status for _, status in cloud.contents()["certificates"]] == ["ACTIVE"]


# --- runs that were cut off


@pytest.mark.parametrize("after", [False, True])
def test_run_that_was_cut_off_is_completed_by_the_next(devices, cloud, all_of_it, after):
    empty = cloud.contents()
    devices.provision(*all_of_it)
    number, files_there = len(cloud.writes()), devices.snapshot().keys()
    devices.provision(THING, "--remove")
    assert number >= 10
    for n in range(1, number + 1):
        cloud.cut(n, after)
        with pytest.raises(aws.Cut):
            devices.run(*all_of_it)
        cloud.cut(None)
        devices.provision(*all_of_it)
        assert devices.snapshot().keys() == files_there
        seen = cloud.contents()
        active = [identity for identity, status in seen["certificates"] if status == "ACTIVE"]
        assert len(active) == 1 and seen["attached"].pop(active[0]) == ([THING], ["linkpulse-cbor"])
        # One that was asked for, and whose answer never came, is good for nothing.
        assert set(map(str, seen["attached"].values())) <= {"([], [])"}
        devices.provision(THING, "--remove")
        left = cloud.contents()
        for identity, status in left["certificates"]:
            assert status == "INACTIVE"
            cloud.iot.delete_certificate(certificateId=identity)
        assert cloud.contents() == empty


@pytest.mark.parametrize("after", [False, True])
def test_removal_that_was_cut_off_is_completed_by_the_next(devices, cloud, all_of_it, after):
    empty = cloud.contents()
    devices.provision(*all_of_it)
    cloud.calls.clear()
    devices.provision(THING, "--remove")
    number = len(cloud.writes())
    assert number >= 8
    for n in range(1, number + 1):
        devices.provision(*all_of_it)
        cloud.cut(n, after)
        with pytest.raises(aws.Cut):
            devices.run(THING, "--remove")
        cloud.cut(None)
        devices.provision(THING, "--remove")
        assert cloud.contents() == empty
        assert not (devices.folder / THING).exists()


# --- the security profile


def test_profile_that_changed_is_updated_if_provisioning_made_it(devices, cloud, all_of_it, profile):
    devices.provision(*all_of_it)
    behaviors = [*PROFILE["behaviors"]]
    behaviors[0] = {**behaviors[0], "suppressAlerts": True}
    profile.write_text(json.dumps({**PROFILE, "behaviors": behaviors[:2]}))
    assert devices.provision(*all_of_it)[f"profile {GROUP}"] == "changed"
    assert len(cloud.detect.profiles[GROUP]["behaviors"]) == 2
    assert set(devices.provision(*all_of_it).values()) == {"there"}


def test_profile_that_somebody_else_made_is_not_changed(devices, cloud, all_of_it):
    cloud.detect.CreateSecurityProfile(GROUP, behaviors=[])
    before = cloud.contents()["profiles"]
    assert devices.run(*all_of_it) == 1
    assert f"profile {GROUP} that provision did not make" in devices.err
    assert cloud.contents()["profiles"] == before


def spoiled(*path, value):
    found = json.loads(json.dumps(PROFILE))
    at = found
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    return json.dumps(found)


CRITERIA = ("behaviors", 0, "criteria")


@pytest.mark.parametrize(
    "text,reason",
    [
        ("{", "is not JSON"),
        ("[]", "not a JSON map"),
        ("{}", "securityProfileName"),
        (spoiled("behaviours", value=[]), "behaviours"),
        (spoiled(*CRITERIA, "comparisonOperator", value="below"), "comparisonOperator: below is none of less-than"),
        (spoiled(*CRITERIA, "value", "count", value="50"), "value.count"),
        (spoiled(*CRITERIA, "value", "count", value=-1), "value.count"),
        (spoiled(*CRITERIA, "statisticalThreshold", value={"statistic": "p98"}), "p98 does not match"),
        (spoiled(*CRITERIA, "consecutiveDatapointsToAlarm", value=11), "11 is more than 10"),
        (spoiled("behaviors", 1, "criteria", "value", "ports", 0, value=65536), "ports[0]: 65536 is more than 65535"),
        (spoiled("behaviors", 0, "name", value="a b"), "behaviors[0].name: a b does not match"),
        (spoiled("securityProfileName", value="x" * 129), "129 characters, at most 128"),
        (spoiled("behaviors", value=[{"name": "x"}] * 101), "101 items, at most 100"),
        (spoiled("securityProfileDescription", value="é"), "does not match"),
        (spoiled("alertTargets", value={"MAIL": {"alertTargetArn": "a", "roleArn": "x" * 20}}), "MAIL is none of SNS"),
    ],
)
def test_profile_that_aws_would_refuse_is_refused_before_any_call(devices, cloud, all_of_it, profile, text, reason):
    profile.write_text(text)
    assert devices.run(*all_of_it) == 1
    assert str(profile) in devices.err and reason in devices.err
    assert cloud.calls == [] and not (devices.folder / THING).exists()


@pytest.mark.parametrize(
    "text,reason", [("a=text", "text is none of"), ("aws:a=number", "aws:"), ("a b=number", "match")]
)
def test_metric_that_aws_would_refuse_is_refused_before_any_call(devices, cloud, root, text, reason):
    assert devices.run(THING, "--aws", "--ca", root, "--custom-metric", text) == 1
    assert reason in devices.err
    assert cloud.calls == []


def test_metric_of_another_type_is_said(devices, cloud, root):
    cloud.detect.CreateCustomMetric("temperature", "number-list")
    assert devices.run(THING, "--aws", "--ca", root, "--custom-metric", "temperature=number") == 1
    assert "exists with the type number-list" in devices.err


# --- what is missing, refused, or asked wrongly


def test_missing_boto3_is_said(devices, root, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    assert devices.run(THING, "--aws", "--ca", root) == 1
    assert "pip install boto3" in devices.err
    assert not (devices.folder / THING).exists()


def test_missing_root_is_said_with_where_it_is(devices, cloud):
    assert devices.run(THING, "--aws") == 1
    assert "AmazonRootCA1.pem" in devices.err and "--ca" in devices.err
    assert cloud.calls == []


@pytest.mark.parametrize(
    "kind,reason", [("text", "not a root CA"), ("two", "several"), ("leaf", "certificate of a CA")]
)
def test_root_that_is_none_is_refused(devices, cloud, root, tmp_path, kind, reason):
    path = tmp_path / "given"
    leaf = certs.make_client(certs.make_authority(), "x").certificate.public_bytes(serialization.Encoding.DER)
    path.write_bytes({"text": b"<html>", "two": root.read_bytes() * 2, "leaf": leaf}[kind])
    assert devices.run(THING, "--aws", "--ca", path) == 1
    assert reason in devices.err and cloud.calls == []


def test_region_and_credentials_are_asked_for(devices, root, monkeypatch, tmp_path):
    monkeypatch.setattr(account, "clients", lambda: (boto3.session.Session().client("iot"), None))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert devices.run(THING, "--aws", "--ca", root) == 1
    assert "set AWS_DEFAULT_REGION" in devices.err
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # which is what it asked for
    assert account.clients()[0].meta.region_name == "eu-west-1"


@pytest.mark.parametrize(
    "code,reason",
    [
        ("UnauthorizedException", "does not allow iot:CreateThing"),
        ("InvalidRequestException", "refused iot:CreateThing: InvalidRequestException: because"),
        ("UnrecognizedClientException", "does not know these credentials"),
    ],
)
def test_refusal_says_which_call_and_why(devices, cloud, root, code, reason):
    cloud.fail["CreateThing"] = (code, "because")
    assert devices.run(THING, "--aws", "--ca", root) == 1
    assert reason in devices.err and "because" in devices.err
    cloud.fail.clear()
    devices.provision(THING, "--ca", root)
    cloud.fail["DeleteThing"] = ("DeleteConflictException", "attached")
    assert devices.run(THING, "--remove") == 1
    assert "run the same command again" in devices.err
    cloud.fail.clear()
    devices.provision(THING, "--remove")


def test_another_region_is_not_taken_for_the_same(devices, cloud, root, monkeypatch):
    devices.provision(THING, "--aws", "--ca", root)
    before = devices.snapshot()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    del cloud.clients
    cloud.calls.clear()
    for arguments in ((THING,), (THING, "--remove")):
        assert devices.run(*arguments) == 1
        assert f"is in account {aws.ACCOUNT}, {aws.REGION}" in devices.err
    assert cloud.writes() == [] and devices.snapshot() == before


def test_one_thing_is_not_of_two_authorities(devices, cloud, root):
    devices.provision(THING, "--host", "localhost")
    assert devices.run(THING, "--aws", "--ca", root) == 1
    assert "--remove first" in devices.err
    assert cloud.calls == []


@pytest.mark.parametrize(
    "arguments,reason",
    [
        (("--aws", "--host", "a"), "--host cannot be used with AWS"),
        (("--aws", "--interval", "60"), "300 or more"),
        (("--aws", "--topic", "$aws/x"), "for AWS"),
        (("--aws", "--topic", "a/${iot:ClientId}"), "for AWS"),
        (("--aws", "--topic", "a/b/c/d/e/f/g/h"), "6 slashes"),
        (("--aws", "--custom-metric", "number"), "NAME=TYPE"),
        (("--host", "a", "--ca", __file__), "--ca cannot be used without --aws"),
        (("--host", "a", "--custom-metric", "a=number"), "--custom-metric cannot be used without --aws"),
    ],
)
def test_wrong_usage_is_exit_code_2(devices, cloud, arguments, reason):
    assert devices.run(THING, *arguments) == 2
    assert reason in " ".join(devices.err.split())
    assert cloud.calls == []


def test_records_of_the_local_ca_and_of_aws_live_side_by_side(devices, cloud, root):
    devices.provision("local", "--host", "localhost", "--topic", "site/local")
    devices.provision(THING, "--aws", "--ca", root, "--topic", "site/aws")
    files.write(devices.folder / "notes" / "x.txt", b"mine")
    devices.provision("local")
    assert b"site/local" in devices.read("ca/mosquitto.acl") and b"site/aws" not in devices.read("ca/mosquitto.acl")
    devices.provision(THING, "--remove")
    devices.provision("local", "--remove")
