"""Calls to an AWS account, and messages that explain their failures."""

import importlib
from dataclasses import dataclass

from linkpulse_tools.errors import ToolError

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedException", "UnauthorizedOperation")
BAD_CREDENTIALS = ("UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException")
STILL_ATTACHED = ("DeleteConflictException",)


def library(name: str):
    """A module of boto3, which is an optional dependency."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ToolError("AWS needs boto3: run pip install boto3 in the environment of linkpulse") from None


def clients() -> tuple:
    """Clients of IoT and STS, with the credentials and the region that boto3 finds."""
    session = library("boto3").session.Session()
    return session.client("iot"), session.client("sts")


@dataclass
class Account:
    """An AWS account with its `number`, `region` and `partition`. A rehearsal only reads."""

    rehearsal: bool = False

    def __post_init__(self):
        self._errors = library("botocore.exceptions")
        try:
            self._iot, sts = clients()
        except self._errors.BotoCoreError as error:
            raise self._unusable(error) from error
        identity = self._call(sts, "get_caller_identity", {})
        self.number, self.partition = identity["Account"], identity["Arn"].split(":")[1]
        self.region = self._iot.meta.region_name

    def arn(self, kind: str, name: str) -> str:
        return f"arn:{self.partition}:iot:{self.region}:{self.number}:{kind}/{name}"

    def read(self, operation: str, **parameters) -> dict | None:
        """The answer of AWS, or None if what it asks about does not exist."""
        return self._call(self._iot, operation, parameters, missing=True)

    def every(self, operation: str, key: str, **parameters) -> list:
        """All items of a list that comes in pages. It is empty if what it asks about does not exist."""
        found, token = [], {}
        while True:
            page = self.read(operation, **parameters, **token)
            if page is None:
                return found
            found += page[key]
            after = next((name for name in ("nextToken", "nextMarker") if page.get(name)), None)
            if after is None:
                return found
            token = {"marker" if after == "nextMarker" else "nextToken": page[after]}

    def write(self, operation: str, **parameters) -> dict | None:
        """The answer of AWS, or None in a rehearsal, which does not make the call."""
        return None if self.rehearsal else self._call(self._iot, operation, parameters)

    def _call(self, client, operation: str, parameters: dict, missing: bool = False):
        try:
            return getattr(client, operation)(**parameters)
        except self._errors.ClientError as error:
            code, said = (error.response["Error"].get(name, "") for name in ("Code", "Message"))
            if missing and code == "ResourceNotFoundException":
                return None
            raise ToolError(self._refused(client, operation, code, said)) from error
        except self._errors.BotoCoreError as error:
            raise self._unusable(error) from error

    def _refused(self, client, operation: str, code: str, said: str) -> str:
        name = f"{client.meta.service_model.service_name}:{client.meta.method_to_api_mapping[operation]}"
        if code in DENIED:
            return f"AWS does not allow {name} with these credentials: {said}"
        if code in BAD_CREDENTIALS:
            return f"AWS does not know these credentials, or they have expired: {said}"
        if code in STILL_ATTACHED:
            return f"AWS refused {name}: {said}. Detaching takes effect after some seconds: run the same command again"
        return f"AWS refused {name}: {code}: {said}"

    def _unusable(self, error) -> ToolError:
        names = {
            "NoRegionError": "no region: set AWS_DEFAULT_REGION, or run aws configure",
            "NoCredentialsError": "no credentials: set AWS_PROFILE, or run aws configure",
        }
        return ToolError(f"AWS: {names.get(type(error).__name__, error)}")
