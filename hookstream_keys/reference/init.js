// Starts Stoplight Elements.
'use strict';

(() => {
  const reference = document.createElement('elements-api');
  // Relative: the document, like this page, is below the API's base path.
  reference.setAttribute('apiDescriptionUrl', 'openapi.json');
  // Links are fragments of this page; the server has no path for each operation.
  reference.setAttribute('router', 'hash');
  reference.setAttribute('layout', 'responsive');
  // Requests are sent from Swagger UI, which keeps no secret in the browser's storage.
  reference.setAttribute('hideTryIt', 'true');
  reference.setAttribute('hideExport', 'true');
  document.querySelector('main').append(reference);
})();
