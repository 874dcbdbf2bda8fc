"""HTTP around the handlers: edge middleware, Connexion's middlewares, responses, rate limiting."""
