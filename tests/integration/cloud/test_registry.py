import hashlib
import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.integration.cloud.conftest import Cloud

pytestmark = pytest.mark.integration

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = b"layer" * 1000


@dataclass(frozen=True)
class Pusher:
    http: httpx.Client

    def blob(self, name: str, content: bytes) -> str:
        start = self.http.post(f"/v2/{name}/blobs/uploads/")
        assert start.status_code == 202, start.text
        middle = len(content) // 2
        first = self.http.patch(
            start.headers["Location"], content=content[:middle], headers={"Content-Range": f"0-{middle - 1}"}
        )
        assert first.headers["Range"] == f"0-{middle - 1}"
        # As docker does: a chunked body without a length.
        self.http.patch(first.headers["Location"], content=iter([content[middle:]]))
        end = self.http.put(first.headers["Location"], params={"digest": digest_of(content)})
        assert end.status_code == 201, end.text
        return str(end.headers["Docker-Content-Digest"])

    def image(self, name: str, tag: str, marker: str) -> str:
        body = manifest(self.blob(name, marker.encode() * 10), self.blob(name, LAYER))
        pushed = self.http.put(f"/v2/{name}/manifests/{tag}", content=body, headers={"Content-Type": MANIFEST})
        assert pushed.status_code == 201, pushed.text
        assert pushed.headers["Docker-Content-Digest"] == digest_of(body)
        return digest_of(body)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(config: str, *layers: str) -> bytes:
    def part(digest: str) -> dict[str, Any]:
        return {"mediaType": "application/octet-stream", "digest": digest, "size": 1}

    # Spaces that no JSON library would write: the digest is of the bytes as they were sent.
    content = {"schemaVersion": 2, "config": part(config), "layers": [part(layer) for layer in layers]}
    return json.dumps(content, indent=3).encode() + b" \n"


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


@pytest.fixture
def ecr(fresh: Cloud) -> Any:
    client = fresh.client("ecr")
    client.create_repository(repositoryName="web")
    return client


@pytest.fixture
def pusher(ecr: Any) -> Iterator[Pusher]:
    (data,) = ecr.get_authorization_token()["authorizationData"]
    user, token = b64decode(data["authorizationToken"]).decode().split(":", 1)
    with httpx.Client(base_url=data["proxyEndpoint"], auth=(user, token), timeout=20) as http:
        yield Pusher(http)


def test_the_token_and_the_repository_lead_to_the_registry_of_this_machine(ecr: Any, cloud: Cloud) -> None:
    (data,) = ecr.get_authorization_token()["authorizationData"]
    assert data["proxyEndpoint"] == f"http://{cloud.registry}"
    (repository,) = ecr.describe_repositories(repositoryNames=["web"])["repositories"]
    assert repository["repositoryUri"] == f"{cloud.registry}/web"


@pytest.mark.parametrize("auth", [None, ("AWS", "wrong"), ("root", "wrong")])
@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/"), ("POST", "/v2/web/blobs/uploads/")])
def test_without_an_issued_token_nothing_is_answered(
    cloud: Cloud, auth: tuple[str, str] | None, method: str, path: str
) -> None:
    answer = httpx.request(method, f"http://{cloud.registry}{path}", auth=auth)
    assert code_of(answer) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_pushed_image_has_the_same_digest_in_ecr_and_can_be_pulled_byte_for_byte(ecr: Any, pusher: Pusher) -> None:
    assert pusher.http.get("/v2/").status_code == 200
    digest = pusher.image("web", "r1", "first")
    (detail,) = ecr.describe_images(repositoryName="web", imageIds=[{"imageTag": "r1"}])["imageDetails"]
    assert detail["imageDigest"] == digest
    by_tag, by_digest = (pusher.http.get(f"/v2/web/manifests/{reference}") for reference in ("r1", digest))
    assert digest_of(by_tag.content) == digest
    assert by_tag.content == by_digest.content
    assert by_tag.headers["Content-Type"] == MANIFEST
    head = pusher.http.head("/v2/web/manifests/r1")
    assert (head.headers["Docker-Content-Digest"], int(head.headers["Content-Length"])) == (digest, len(by_tag.content))
    layer = by_tag.json()["layers"][0]["digest"]
    assert pusher.http.get(f"/v2/web/blobs/{layer}").content == LAYER
    assert int(pusher.http.head(f"/v2/web/blobs/{layer}").headers["Content-Length"]) == len(LAYER)
    assert pusher.http.get("/v2/web/tags/list").json() == {"name": "web", "tags": ["r1"]}


def test_pushing_the_same_again_changes_nothing(ecr: Any, pusher: Pusher) -> None:
    assert pusher.image("web", "r1", "same") == pusher.image("web", "r1", "same")
    assert len(ecr.describe_images(repositoryName="web")["imageDetails"]) == 1


def test_one_image_may_have_two_tags(ecr: Any, pusher: Pusher) -> None:
    digest = pusher.image("web", "r1", "same")
    assert pusher.image("web", "latest", "same") == digest
    (detail,) = ecr.describe_images(repositoryName="web")["imageDetails"]
    assert sorted(detail["imageTags"]) == ["latest", "r1"]


def test_a_tag_that_moves_leaves_the_old_image_untagged(ecr: Any, pusher: Pusher) -> None:
    old = pusher.image("web", "latest", "old")
    new = pusher.image("web", "latest", "new")
    tags = {
        item["imageDigest"]: item.get("imageTags") for item in ecr.describe_images(repositoryName="web")["imageDetails"]
    }
    assert tags == {old: None, new: ["latest"]}
    assert pusher.http.get(f"/v2/web/manifests/{old}").status_code == 200


def test_an_immutable_tag_is_not_moved(ecr: Any, pusher: Pusher) -> None:
    ecr.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    first = pusher.image("fixed", "r1", "first")
    body = manifest(pusher.blob("fixed", b"second config"))
    answer = pusher.http.put("/v2/fixed/manifests/r1", content=body, headers={"Content-Type": MANIFEST})
    assert code_of(answer) == (400, "TAG_INVALID")
    assert pusher.http.head("/v2/fixed/manifests/r1").headers["Docker-Content-Digest"] == first


def test_a_repository_unknown_to_ecr_takes_no_push(pusher: Pusher) -> None:
    assert code_of(pusher.http.post("/v2/nosuch/blobs/uploads/")) == (404, "NAME_UNKNOWN")
    assert code_of(pusher.http.put("/v2/nosuch/manifests/r1", content=b"{}")) == (404, "NAME_UNKNOWN")


def test_a_manifest_whose_layers_were_not_pushed_is_refused(pusher: Pusher) -> None:
    body = manifest(digest_of(b"never pushed"))
    answer = pusher.http.put("/v2/web/manifests/r1", content=body, headers={"Content-Type": MANIFEST})
    assert code_of(answer) == (400, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"layers": [{}]}', b"\xff\xfe"])
def test_what_is_no_manifest_is_refused(pusher: Pusher, body: bytes) -> None:
    answer = pusher.http.put("/v2/web/manifests/r1", content=body, headers={"Content-Type": MANIFEST})
    assert code_of(answer) == (400, "MANIFEST_INVALID")


def test_a_blob_with_another_digest_is_refused(pusher: Pusher) -> None:
    answer = pusher.http.post("/v2/web/blobs/uploads/", params={"digest": digest_of(b"that")}, content=b"this")
    assert code_of(answer) == (400, "DIGEST_INVALID")
    assert code_of(pusher.http.get(f"/v2/web/blobs/{digest_of(b'that')}")) == (404, "BLOB_UNKNOWN")


def test_a_whole_blob_in_one_request_is_taken_and_mounted_elsewhere(ecr: Any, pusher: Pusher) -> None:
    ecr.create_repository(repositoryName="other")
    digest = digest_of(LAYER)
    assert pusher.http.post("/v2/web/blobs/uploads/", params={"digest": digest}, content=LAYER).status_code == 201
    assert code_of(pusher.http.get(f"/v2/other/blobs/{digest}")) == (404, "BLOB_UNKNOWN")
    mounted = pusher.http.post("/v2/other/blobs/uploads/", params={"mount": digest, "from": "web"})
    assert mounted.status_code == 201
    assert pusher.http.get(f"/v2/other/blobs/{digest}").content == LAYER
    absent = pusher.http.post("/v2/other/blobs/uploads/", params={"mount": digest_of(b"x"), "from": "web"})
    assert absent.status_code == 202


def test_an_index_names_images_that_were_pushed_before_it(pusher: Pusher) -> None:
    child = pusher.image("web", "arm64", "child")
    index = "application/vnd.oci.image.index.v1+json"

    def put(*digests: str) -> httpx.Response:
        body = json.dumps({"schemaVersion": 2, "mediaType": index, "manifests": [{"digest": item} for item in digests]})
        return pusher.http.put("/v2/web/manifests/all", content=body.encode(), headers={"Content-Type": index})

    assert code_of(put(digest_of(b"absent"))) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert put(child).status_code == 201
    assert pusher.http.get("/v2/web/manifests/all").headers["Content-Type"] == index


def test_images_go_with_their_repository(ecr: Any, pusher: Pusher, cloud: Cloud) -> None:
    digest = pusher.image("web", "r1", "gone")
    with pytest.raises(ClientError, match="RepositoryNotEmptyException"):
        ecr.delete_repository(repositoryName="web")
    assert pusher.http.get(f"/v2/web/manifests/{digest}").status_code == 200
    ecr.delete_repository(repositoryName="web", force=True)
    assert code_of(pusher.http.get("/v2/web/manifests/r1")) == (404, "NAME_UNKNOWN")
    assert not (cloud.data / "blobs" / digest_of(LAYER).removeprefix("sha256:")).exists()
    ecr.create_repository(repositoryName="web")
    assert code_of(pusher.http.get("/v2/web/manifests/r1")) == (404, "MANIFEST_UNKNOWN")
    assert code_of(pusher.http.get(f"/v2/web/blobs/{digest_of(LAYER)}")) == (404, "BLOB_UNKNOWN")


def test_images_are_deleted_through_ecr_and_not_through_the_registry(pusher: Pusher) -> None:
    digest = pusher.image("web", "r1", "kept")
    assert code_of(pusher.http.delete(f"/v2/web/manifests/{digest}")) == (405, "UNSUPPORTED")
