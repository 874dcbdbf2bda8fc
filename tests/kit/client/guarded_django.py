"""A project of Django REST framework whose views have a guard, as those of `guarded_apps.py`."""

import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import django
import httpx
from django.conf import settings
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path
from kit.client.guarded_apps import Application, Setting, shown

from hookstream_keys_client.guards import Principal

# The one project of this process. Django REST framework reads the settings when it is imported.
if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["rest_framework"],
        # The default is a user of Django's own, whose table this project does not have.
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
        SECRET_KEY="of the tests only",
    )
    django.setup()

import rest_framework.permissions
import rest_framework.response
import rest_framework.throttling
import rest_framework.views

from hookstream_keys_client.guards.django import KeyAuthentication


@contextmanager
def django_app(setting: Setting, **attributes: Any) -> Iterator[Application]:
    """A project of Django REST framework; `attributes` are those of its authentication class."""
    calls: list[Principal] = []
    hook = setting.address
    with setting.client() as guard_client:

        class ApiKeys(KeyAuthentication):
            client = guard_client
            rules = setting.rules

            def address(self, request: Any) -> str | None:
                return super().address(request) if hook is None else hook(request.headers)

        authentication = type("WithAttributes", (ApiKeys,), attributes)

        class AnyKey(rest_framework.views.APIView):
            authentication_classes = [authentication]  # noqa: RUF012 - as the framework documents it

            def get(self, request: Any) -> Any:
                assert request.auth is None or request.user.is_authenticated
                return rest_framework.response.Response(
                    {} if request.auth is None else shown(request.auth, calls)
                )

        class Events(AnyKey):
            required_scopes = "events:read"

        class Private(AnyKey):
            permission_classes = [rest_framework.permissions.IsAuthenticated]  # noqa: RUF012

        class Twice(rest_framework.throttling.UserRateThrottle):
            rate = "2/hour"

        class Throttled(AnyKey):
            throttle_classes = [Twice]  # noqa: RUF012

        urls = types.ModuleType("urls")
        urls.urlpatterns = [  # type: ignore[attr-defined]  # what Django reads of a module of URLs
            path("events", Events.as_view()),
            path("any", AnyKey.as_view()),
            path("private", Private.as_view()),
            path("throttled", Throttled.as_view()),
        ]

        def send(path: str, headers: Mapping[str, str], address: str) -> httpx.Response:
            with override_settings(ROOT_URLCONF=urls):
                found = DjangoClient(REMOTE_ADDR=address).get(path, headers=dict(headers))
            return httpx.Response(found.status_code, headers=found.headers, content=found.content)

        yield Application(send, calls)
