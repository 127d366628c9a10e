"""An AWS account in this process: moto, and what moto lacks of Device Defender Detect, judged by botocore's model.

Every call is noted. A call can be cut off before it reaches the account or after it did.
"""

import datetime
import functools
import json
from types import SimpleNamespace

import boto3
from botocore.validate import ParamValidator
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iot.models import IoTBackend

from linkpulse_tools.pki import certs

REGION = "eu-central-1"
ENDPOINT = "a1b2c3d4e5f6g7-ats.iot.eu-central-1.amazonaws.com"
READS = ("Describe", "Get", "List")
NOT_FOUND = ("ResourceNotFoundException", "it is not there")


class Cut(BaseException):
    """The run ends here."""


class Detect:
    """The part of the account that moto has not: metrics, profiles, and what profiles are attached to."""

    def __init__(self):
        self.metrics, self.profiles, self.targets = {}, {}, {}

    def CreateCustomMetric(self, metricName, metricType, **_):
        self.metrics[metricName] = metricType
        return {"metricName": metricName, "metricArn": f"arn:aws:iot:{REGION}:1:custommetric/{metricName}"}

    def DescribeCustomMetric(self, metricName):
        if metricName not in self.metrics:
            return NOT_FOUND
        return {"metricName": metricName, "metricType": self.metrics[metricName]}

    def DeleteCustomMetric(self, metricName):
        if metricName in json.dumps(list(self.profiles.values())):
            return "InvalidRequestException", f"{metricName} is used by a security profile"
        self.metrics.pop(metricName)
        return {}

    def CreateSecurityProfile(self, securityProfileName, tags=None, **profile):
        unknown = {b["metric"] for b in profile.get("behaviors", [])} - self.metrics.keys()
        if any(not name.startswith("aws:") for name in unknown):
            return "InvalidRequestException", f"no metric {unknown}"
        self.profiles[securityProfileName] = profile
        self.targets[securityProfileName] = []
        return {"securityProfileName": securityProfileName}

    def DescribeSecurityProfile(self, securityProfileName):
        if securityProfileName not in self.profiles:
            return NOT_FOUND
        found = json.loads(json.dumps(self.profiles[securityProfileName]))
        for behavior in found.get("behaviors", []):  # the service fills in what was left out
            behavior.get("criteria", {}).setdefault("consecutiveDatapointsToAlarm", 1)
        return {"securityProfileName": securityProfileName, "version": 1, **found}

    def UpdateSecurityProfile(self, securityProfileName, **profile):
        self.profiles[securityProfileName].update(profile)
        return {"securityProfileName": securityProfileName}

    def DeleteSecurityProfile(self, securityProfileName):
        self.profiles.pop(securityProfileName)
        assert not self.targets.pop(securityProfileName)
        return {}

    def ListSecurityProfiles(self, metricName):
        having = [name for name, profile in self.profiles.items() if metricName in json.dumps(profile)]
        arn = f"arn:aws:iot:{REGION}:1:securityprofile/"
        return {"securityProfileIdentifiers": [{"name": name, "arn": arn + name} for name in having]}

    def ListTargetsForSecurityProfile(self, securityProfileName):
        if securityProfileName not in self.targets:
            return NOT_FOUND
        return {"securityProfileTargets": [{"arn": arn} for arn in self.targets[securityProfileName]]}

    def AttachSecurityProfile(self, securityProfileName, securityProfileTargetArn):
        self.targets[securityProfileName].append(securityProfileTargetArn)
        return {}

    def DetachSecurityProfile(self, securityProfileName, securityProfileTargetArn):
        self.targets[securityProfileName].remove(securityProfileTargetArn)
        return {}

    def DescribeEndpoint(self, endpointType):  # moto's is another one each time
        assert endpointType == "iot:Data-ATS"
        return {"endpointAddress": ENDPOINT}


class Cloud:
    """`calls`: (operation, parameters) since the last clear. `fail`: operation to (code, message) that it answers.
    `lifetime`: of the certificates that it signs."""

    def __init__(self, monkeypatch):
        self.detect, self.calls, self.fail = Detect(), [], {}
        self.lifetime = datetime.timedelta(days=9000)
        self._cut, self._writes = None, 0
        self._signer = certs.make_authority("AWS", not_after=certs.now() + datetime.timedelta(days=10000))
        monkeypatch.setattr(
            IoTBackend,
            "create_certificate_from_csr",
            lambda backend, *given, **named: self._sign(backend, *given, **named),
        )

    @functools.cached_property
    def clients(self) -> tuple:
        """IoT and STS, as boto3 makes them, with this account behind them. Making them takes longer than a run does."""
        iot = boto3.client("iot")
        iot.meta.events.register("before-parameter-build.iot.*", self._parameters)
        iot.meta.events.register("before-call.iot.*", self._before)
        iot.meta.events.register("after-call.iot.*", self._after)
        return iot, boto3.client("sts")

    def cut(self, n: int | None, after: bool = False):
        """End the run at the n-th write from now, before the account sees it or after."""
        self._cut, self._writes = (n, after), 0

    def writes(self) -> list[str]:
        return [name for name, _ in self.calls if not name.startswith(READS)]

    def count(self, operation: str) -> int:
        return [name for name, _ in self.calls].count(operation)

    @functools.cached_property
    def iot(self):
        """A client of the test's own, whose calls are not noted."""
        return boto3.client("iot")

    def contents(self) -> dict:
        """All that is in the account."""
        iot = self.iot
        certificates = iot.list_certificates()["certificates"]
        return {
            "things": sorted(thing["thingName"] for thing in iot.list_things()["things"]),
            "certificates": sorted((c["certificateId"], c["status"]) for c in certificates),
            "policies": sorted(policy["policyName"] for policy in iot.list_policies()["policies"]),
            "groups": sorted(group["groupName"] for group in iot.list_thing_groups()["thingGroups"]),
            "attached": {
                c["certificateId"]: (
                    sorted(iot.list_principal_things(principal=c["certificateArn"])["things"]),
                    sorted(p["policyName"] for p in iot.list_attached_policies(target=c["certificateArn"])["policies"]),
                )
                for c in certificates
            },
            "metrics": dict(self.detect.metrics),
            "profiles": json.loads(json.dumps(self.detect.profiles)),
            "targets": {name: list(targets) for name, targets in self.detect.targets.items()},
        }

    def _parameters(self, params, model, context, **_):
        context["given"] = params
        self.calls.append((model.name, params))

    def _before(self, model, context, **_):
        if not model.name.startswith(READS) and self._cut:
            n, after = self._cut
            self._writes += 1
            if self._writes == n and not after:
                raise Cut
        answer = self.fail.get(model.name)
        if answer is None and hasattr(Detect, model.name):
            answer = getattr(self.detect, model.name)(**context["given"])
        if answer is None:
            return None
        if isinstance(answer, tuple):
            code, message = answer
            return SimpleNamespace(status_code=400), {
                "Error": {"Code": code, "Message": message},
                "ResponseMetadata": {},
            }
        report = ParamValidator().validate(answer, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        return SimpleNamespace(status_code=200), {**answer, "ResponseMetadata": {}}

    def _after(self, model, **_):
        if self._cut and self._cut[1] and not model.name.startswith(READS) and self._writes == self._cut[0]:
            raise Cut

    def _sign(self, backend, csr, set_as_active):
        """A certificate for the key of the request; moto's own is for another one."""
        request = x509.load_pem_x509_csr(csr.encode())
        assert request.is_signature_valid
        new = certs.sign_client(
            self._signer, request.public_key(), "AWS IoT Certificate", None, certs.now() + self.lifetime
        )
        pem = new.public_bytes(serialization.Encoding.PEM).decode()
        set_as_active = str(set_as_active).lower() == "true"  # moto has the text of the query
        return backend.register_certificate(
            pem, ca_certificate_pem=None, set_as_active=set_as_active, status="INACTIVE"
        )


ACCOUNT = DEFAULT_ACCOUNT_ID
