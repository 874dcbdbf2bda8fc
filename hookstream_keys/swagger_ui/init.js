// Starts Swagger UI.
'use strict';

(async () => {
  const url = new URL('../openapi.json', location.href);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const document = await response.json();

  const system = SwaggerUIBundle({
    dom_id: '#swagger-ui',
    spec: caller.prepare(document),
    plugins: [authorization.plugin, caller.plugin(document), samples.plugin],
    // The default layout has no top bar, so no other document can be loaded.
    layout: 'BaseLayout',
    // By default the document would be sent to a public validator.
    validatorUrl: null,
    // true would leave keys and tokens readable in localStorage, and would make
    // Swagger UI write a second cookie of its own (other Path, SameSite=None).
    persistAuthorization: false,
    // ?url=... must not be able to point this page at another document.
    queryConfigEnabled: false,
    deepLinking: true,
    filter: true,
    tryItOutEnabled: true,
    requestSnippetsEnabled: false,
    // Numbers of the default theme are too dark for its background.
    syntaxHighlight: { theme: 'obsidian' },
    displayRequestDuration: true,
    // The list of schemas is there but folded, to keep the operations in view.
    defaultModelsExpandDepth: 0,
    requestInterceptor: (request) => {
      authorization.show(request);
      return request;
    },
    responseInterceptor: (answer) => {
      caller.notice(answer);
      return answer;
    },
    onComplete: () => {
      authorization.restore(system);
      caller.refresh();
    },
  });
})();
