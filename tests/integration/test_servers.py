"""The real servers start as the fixtures promise. What they do is tested elsewhere."""

from __future__ import annotations

import httpx
import psycopg
import redis


def test_orthanc_has_dicomweb_and_our_modality(orthanc):
    assert httpx.get(orthanc.url + "/dicom-web/studies").status_code in (200, 204)
    assert "plumbline" in httpx.get(orthanc.url + "/modalities").json()


def test_redis_answers(redis_url):
    client = redis.Redis.from_url(redis_url)
    assert client.ping()
    client.close()


def test_each_test_has_a_postgres_database_of_its_own(postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        rows = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()
    assert rows == (0,)
