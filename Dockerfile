# syntax=docker/dockerfile:1
# One image, four roles: the API (default), the trainer (`python -m training work`), the job runner (`nearbit work`),
# the encoder (`nearbit encoder`).
#   docker build -t nearbit .                                     CPU
#   docker build -t nearbit:cuda --build-arg TORCH_VARIANT=cuda . NVIDIA GPU
ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS build
# cpu: an index of CPU wheels can be given with PIP_EXTRA_INDEX_URL; cuda: the registry's own build, with CUDA inside.
ARG TORCH_VARIANT=cpu
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/nearbit
COPY constraints.txt ./
RUN if [ "$TORCH_VARIANT" = cpu ] && [ -n "$PIP_EXTRA_INDEX_URL" ]; then \
        /opt/nearbit/bin/pip install --extra-index-url "$PIP_EXTRA_INDEX_URL" -c constraints.txt "torch==2.13.0+cpu"; \
    else \
        /opt/nearbit/bin/pip install -c constraints.txt torch; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY service service
COPY training training
COPY migrations migrations
RUN /opt/nearbit/bin/pip install -c constraints.txt ./client .

FROM python:${PYTHON_VERSION}-slim
RUN useradd --system --create-home --home-dir /home/nearbit --uid 10001 nearbit \
    && install -d -o nearbit -g nearbit /var/lib/nearbit
COPY --from=build /opt/nearbit /opt/nearbit
ENV PATH=/opt/nearbit/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/lib/nearbit/numba \
    NEARBIT_DATA_DIR=/var/lib/nearbit \
    NEARBIT_DATABASE_URL=sqlite:////var/lib/nearbit/nearbit.db \
    NEARBIT_HOST=0.0.0.0 \
    NEARBIT_LOG_FORMAT=json
USER 10001
WORKDIR /home/nearbit
VOLUME /var/lib/nearbit
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ.get('NEARBIT_PORT', '8000') + '/healthz', timeout=2)"]
ENTRYPOINT ["nearbit"]
CMD ["serve"]
