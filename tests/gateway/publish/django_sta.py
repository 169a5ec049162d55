"""A SensorThings server of others on a port: `python django_sta.py PORT DBFILE`.

Run by test_sensorthings_peers.py with the Python that MEETNET_STA_PYTHON names.
"""

import sys
from uuid import UUID

from django.conf import settings

PORT, DATABASE = int(sys.argv[1]), sys.argv[2]
V = "sensorthings.versions.v1_1"
settings.configure(
    DEBUG=False,
    SECRET_KEY="test",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        V,
        f"{V}.backends.django",
        f"{V}.extensions.dataarray",
    ],
    SENSORTHINGS_V1_1_SERVICE_URL=f"http://127.0.0.1:{PORT}/sensorthings",
    SENSORTHINGS_V1_1_BACKEND_ADAPTER=f"{V}.backends.django.adapter.DjangoBackendAdapter",
    SENSORTHINGS_V1_1_ID_TYPE=UUID,
    SENSORTHINGS_V1_1_ID_DELIMITER="'",
)

import django  # noqa: E402

django.setup()

import uvicorn  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [path("sensorthings/", include(f"{V}.urls"))]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    uvicorn.run(get_asgi_application(), host="127.0.0.1", port=PORT, log_level="warning")
