// Makes Swagger UI's "Authorize" dialog work for cookie schemes, and keeps what was authorized
// while the tab is open.
'use strict';

const authorization = (() => {
  // The API's base path is one level above this folder: /v1/ui/ -> /v1/.
  // A ';' in it would end the cookie's Path attribute, hence the replacement.
  const COOKIE_PATH = new URL('..', location.href).pathname.replaceAll(';', '%3B');
  const SECURE = location.protocol === 'https:';

  // In sessionStorage: it is the tab's own and goes with it, whereas localStorage would keep keys
  // and tokens readable on the disk, and for every tab. Only this server's files run as scripts
  // here (Content-Security-Policy).
  const KEPT = `authorization ${COOKIE_PATH}`;

  // Cookies written by this page and still in force: scheme name -> cookie.
  const cookies = new Map();

  // On https the server uses the "__Secure-" name, which browsers accept only
  // for cookies that are Secure.
  function cookieName(schema) {
    const name = schema.get('name');
    return SECURE && !/^__(Secure|Host)-/.test(name) ? `__Secure-${name}` : name;
  }

  // A cookie's value is pasted either as the browser shows it (already
  // percent-encoded) or raw. Text made of the characters RFC 6265 allows goes
  // through untouched, so nothing is encoded twice. Anything else is encoded,
  // so that ';', blanks or line breaks cannot add attributes to the cookie.
  function cookieValue(text) {
    return /^[\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5D-\x7E]+$/.test(text) ? text : encodeURIComponent(text);
  }

  // No Max-Age, so it is a session cookie (some browsers restore those after a crash).
  function writeCookie(cookie, extra = '') {
    document.cookie = `${cookie}; Path=${COOKIE_PATH}; SameSite=Strict${SECURE ? '; Secure' : ''}${extra}`;
  }

  function deleteCookie(cookie) {
    writeCookie(`${cookie.split('=', 1)[0]}=`, '; Max-Age=0');
  }

  // The browser refuses silently (too long, cookies blocked, an HttpOnly cookie
  // of the same name and path exists), so look whether it is there.
  function cookieExists(cookie) {
    return document.cookie.split('; ').includes(cookie);
  }

  const isCookieScheme = (schema) => schema?.get('type') === 'apiKey' && schema.get('in') === 'cookie';

  // A page script cannot set the Cookie request header. So when a cookie scheme
  // is authorized this stores a real cookie, which the browser then sends, and
  // logging out removes it. The dialog calls authorizeWithPersistOption and
  // logoutWithPersistOption, which call the two actions wrapped here.
  const plugin = {
    statePlugins: {
      auth: {
        wrapActions: {
          authorize: (original, { errActions }) => (payload) => {
            const accepted = {};
            for (const [scheme, auth] of Object.entries(payload)) {
              errActions.clear({ authId: scheme, type: 'auth', source: 'auth' });
              const value = typeof auth?.value === 'string' ? auth.value.trim() : auth?.value;
              // Left empty: Swagger UI would count it as authorized and send
              // the text "[object Object]".
              if (!value) continue;
              if (isCookieScheme(auth.schema)) {
                const cookie = `${cookieName(auth.schema)}=${cookieValue(value)}`;
                writeCookie(cookie);
                if (!cookieExists(cookie)) {
                  errActions.newAuthErr({
                    authId: scheme, source: 'auth', level: 'error',
                    message: 'The browser did not accept this cookie.',
                  });
                  continue;
                }
                cookies.set(scheme, cookie);
              }
              accepted[scheme] = { ...auth, value };
            }
            return original(accepted);
          },
          logout: (original) => (schemes) => {
            for (const scheme of schemes) {
              if (cookies.has(scheme)) deleteCookie(cookies.get(scheme));
              cookies.delete(scheme);
            }
            return original(schemes);
          },
          // Swagger UI's own would write to localStorage. The dialog calls it after either.
          persistAuthorizationIfNeeded: (_, { authSelectors }) => () => keep(authSelectors),
        },
      },
    },
  };

  function keep(authSelectors) {
    const values = authSelectors.authorized().map((auth) => auth.get('value')).toJS();
    try {
      if (Object.keys(values).length) sessionStorage.setItem(KEPT, JSON.stringify(values));
      else sessionStorage.removeItem(KEPT);
    } catch {
      // Storage is disabled: nothing is kept.
    }
  }

  // Authorizes again, in a page that was loaded again, what was authorized before.
  function restore({ authActions, specSelectors }) {
    let values;
    try {
      values = JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
    } catch {
      return;
    }
    const schemes = specSelectors.securityDefinitions();
    const payload = {};
    for (const [name, value] of Object.entries(values)) {
      if (schemes.has(name)) payload[name] = { name, schema: schemes.get(name), value };
    }
    if (Object.keys(payload).length) authActions.authorize(payload);
  }

  // The cookie goes when the page is left, so that no other page of this server is signed in by
  // it; it comes back with the page.
  addEventListener('pagehide', () => cookies.forEach(deleteCookie));
  addEventListener('pageshow', (event) => {
    if (event.persisted) cookies.forEach((cookie) => writeCookie(cookie));
  });

  return {
    plugin,
    restore,
    // The browser ignores this header; it only feeds the curl command shown.
    // Put there what is really sent (the "__Secure-" name, encoded once).
    show(request) {
      if (request.headers?.Cookie && cookies.size) {
        request.headers.Cookie = [...cookies.values()].join('; ');
      }
    },
  };
})();
