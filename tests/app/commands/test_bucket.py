"""`mailward doctor` on the object store."""

from __future__ import annotations

from mailward.app.commands.bucket import examine_objects
from mailward.app.objects import Objects


def at(port: int, bucket: str) -> Objects:
    return Objects(
        url=f"s3://{bucket}/mail",
        endpoint=f"http://127.0.0.1:{port}",
        access_key="key",
        secret_key="secret",
        plaintext=[f"127.0.0.1:{port}"],
    )


def test_a_good_bucket_is_ok(s3: int, bucket_name: str) -> None:
    """Each thing the platform asks of a bucket is a finding of its own, and that there is no TLS is said."""
    findings = list(examine_objects(at(s3, bucket_name)))
    assert [f.state for f in findings] == ["ok", "warning", "ok", "ok", "ok", "ok", "ok", "ok"]
    assert "secret" not in str(findings)


def test_a_missing_bucket_is_wrong(s3: int, bucket_name: str) -> None:
    """A bucket that is not there is wrong, with what to do."""
    wrong = [f for f in examine_objects(at(s3, bucket_name + "x")) if f.state == "wrong"]
    assert wrong[0].what == "object store, put"
    assert "objects.url" in wrong[0].advice


def test_a_store_that_is_away_is_wrong() -> None:
    """Nobody listening is wrong, with what to do."""
    wrong = [f for f in examine_objects(at(9, "mail")) if f.state == "wrong"]
    assert "objects.endpoint" in wrong[0].advice


def test_without_an_object_store_nothing_is_said() -> None:
    """An embedded installation hears nothing of buckets."""
    assert list(examine_objects(Objects())) == []
