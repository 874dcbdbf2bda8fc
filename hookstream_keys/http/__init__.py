"""HTTP around the handlers: the edge, Connexion's middlewares, responses, rate limiting, pages."""
