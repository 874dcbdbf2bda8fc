"""Two addresses."""

from django.urls import path
from views import Create, Verify

urlpatterns = [path("verify", Verify.as_view()), path("create", Create.as_view())]
