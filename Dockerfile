# The server on CPU: see bundle/docs/serve.md.
FROM python:3.12-slim
WORKDIR /src
COPY . .
# An index of torch's wheels without CUDA, which are a tenth of the size.
ARG PIP_EXTRA_INDEX_URL
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[serve]" \
    && useradd --create-home --uid 1000 reader && mkdir /data && chown reader /data
USER 1000
WORKDIR /data
VOLUME /data
EXPOSE 8042
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8042/healthz')"]
ENTRYPOINT ["ichmonai", "serve", "--data", "/data/page", "--host", "0.0.0.0"]
