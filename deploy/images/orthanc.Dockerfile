# Orthanc as Debian packages it, the same as in the demo, with Plumbline's configuration and router.

FROM debian:bookworm-20240904-slim
# The base's date pins Debian's release; its point updates, which are security fixes, are wanted.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends curl orthanc orthanc-dicomweb orthanc-python \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10002 archive \
 && useradd --uid 10002 --gid 10002 --no-create-home --shell /usr/sbin/nologin archive \
 && install --directory --owner=10002 --group=10002 /var/lib/orthanc/db
COPY orthanc/orthanc.json orthanc/plumbline_router.py /etc/orthanc/
COPY --chmod=755 deploy/images/with-secrets deploy/images/orthanc-is-ready /usr/local/bin/
USER 10002:10002
ENTRYPOINT ["with-secrets"]
CMD ["Orthanc", "/etc/orthanc/orthanc.json"]
