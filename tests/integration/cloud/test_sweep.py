from pathlib import Path

import boto3
import pytest

from tasks.clients.account import Account
from tasks.clients.sweep.sweeping import find, sweep
from tests.integration.cloud.conftest import ACCOUNT, REGION, Cloud
from tests.integration.cloud.terraform import Terraform
from tests.integration.cloud.test_terraform import TAGS, left_over

pytestmark = pytest.mark.integration


def account_of(cloud: Cloud) -> Account:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    return Account(session, REGION, cloud.endpoint)


def test_whole(fresh: Cloud, tmp_path: Path) -> None:
    terraform = Terraform(tmp_path, fresh, TAGS)
    terraform.run("apply", "-auto-approve", "-parallelism=20")
    import time

    b = time.monotonic()
    for r in find(account_of(fresh), ACCOUNT, "cycle"):
        print(r)
    print("found", time.monotonic() - b)
    b = time.monotonic()
    for r in sweep(account_of(fresh), ACCOUNT, "cycle"):
        print(r)
    print("swept", time.monotonic() - b)
    assert left_over(fresh) == []
