"""A view that requires a valid key, and one that issues keys with one."""

from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.models import APIKey
from rest_framework_api_key.permissions import KeyParser


class NewKey(serializers.Serializer):
    """What a key is called."""

    name = serializers.CharField(max_length=50)


class Verify(APIView):
    """Reached only with a valid key: `HasAPIKey` is every view's permission here."""

    def get(self, request: Request) -> Response:
        """Say which key it was."""
        key = KeyParser().get(request) or ""
        return Response({"valid": True, "prefix": key.partition(".")[0]})


class Create(APIView):
    """Issues keys."""

    def post(self, request: Request) -> Response:
        """Issue a key and show it, this once."""
        body = NewKey(data=request.data)
        body.is_valid(raise_exception=True)
        stored, secret = APIKey.objects.create_key(name=body.validated_data["name"])
        shown = {"name": stored.name, "prefix": stored.prefix, "key": secret}
        return Response(shown, status.HTTP_201_CREATED)
