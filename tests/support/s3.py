"""S3 on loopback: moto's server, a process of its own, which checks signatures and permissions."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from servers import running
from support import plain

REGION = "eu-west-3"
BUCKET = "models"
ROLE = "arn:aws:iam::123456789012:role/reader"


@dataclass
class Store:
    endpoint: str
    client: Any
    keys: dict[str, str]
    """AWS_* of a user who may read and list, nothing else."""

    def put(self, key: str, data: bytes, **more: str) -> Any:
        return self._unchecked(self.client.put_object, Key=key, Body=data, **more)

    def delete(self, key: str, **more: str) -> None:
        self._unchecked(self.client.delete_object, Key=key, **more)

    def check(self, after: str) -> None:
        """Signatures, of all requests but the next so many."""
        plain.post(f"{self.endpoint}/moto-api/reset-auth", content=after).raise_for_status()

    def _unchecked(self, action: Callable[..., Any], **arguments: Any) -> Any:
        self.check("inf")
        answer = action(Bucket=BUCKET, **arguments)
        self.check("0")
        return answer


@contextmanager
def s3(directory: Path, *, versions: bool = False) -> Iterator[Store]:
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]

    def address(log: str) -> str | None:
        found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", log)
        return found and found[1]

    with running(command, address, log=directory / "moto.log") as endpoint:
        session = botocore.session.Session()
        session.set_credentials("root", "root")

        def client(service: str) -> Any:
            return session.create_client(
                service, region_name=REGION, endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"})
            )

        storage, iam = client("s3"), client("iam")
        storage.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        if versions:
            storage.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        actions = ["s3:GetObject", "s3:GetObjectVersion", "s3:HeadObject", "s3:ListBucket"]
        allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.create_user(UserName="reader")
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        iam.create_role(RoleName="reader", AssumeRolePolicyDocument="{}")
        iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=policy)
        store = Store(
            endpoint,
            storage,
            {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]},
        )
        store.check("0")
        yield store
