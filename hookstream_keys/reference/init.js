// Starts Stoplight Elements.
'use strict';

(() => {
  // React Router, inside Stoplight Elements, warns its developers of its next major version at each
  // load. A reader of this page can do nothing about it.
  const { warn } = console;
  console.warn = (...texts) => {
    if (!String(texts[0]).includes('React Router Future Flag Warning')) warn.apply(console, texts);
  };

  // Stoplight Elements' own examples of credentials, which look like none of this API's.
  const EXAMPLES = [
    [/^(X-API-Key): 123$/, '$1: YOUR_API_TOKEN'],
    [/^(Authorization: Bearer) 123$/, '$1 YOUR_API_TOKEN'],
    [/^(\S+\.session_token): 123$/, 'Cookie: $1=YOUR_SESSION_TOKEN'],
  ];

  function correct(added) {
    for (const code of added.querySelectorAll('code')) {
      const text = code.firstChild;
      const [pattern, example] = EXAMPLES.find(([each]) => each.test(text?.data)) ?? [];
      // Within React's own node, so that it can still remove it.
      if (pattern) text.data = text.data.replace(pattern, example);
    }
  }

  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const added of addedNodes) if (added.nodeType === Node.ELEMENT_NODE) correct(added);
    }
  }).observe(document.querySelector('main'), { childList: true, subtree: true });

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
