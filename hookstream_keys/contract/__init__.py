"""`openapi.yaml` as the code uses it: operations, schemas, parameters, roles."""
