// Fills in the caller's own organization and environment where the document has examples of others.
'use strict';

const caller = (() => {
  // The API's base path, one level above this folder: the page works under every name of the server.
  const BASE = new URL('..', location.href).href.replace(/\/$/, '');
  const METHODS = ['get', 'put', 'post', 'delete', 'patch'];
  // What stands in the code samples, too.
  const PLACEHOLDERS = { org_id: 'YOUR_ORG_ID', env_id: 'YOUR_ENV_ID' };
  // Each changes who the caller is.
  const SIGNING = ['auth/sign-in/email', 'auth/sign-up/email', 'auth/sign-out'];

  let system;
  let document;
  let known = PLACEHOLDERS;
  let latest = 0;

  function resolved(source, node) {
    if (!node.$ref) return node;
    return node.$ref.slice(2).split('/').reduce((found, name) => found[name], source);
  }

  // What a parameter is filled with, or undefined. The id of what would be deleted is left to be
  // typed.
  function ownValue(path, method, parameter, who) {
    if (who === PLACEHOLDERS) return undefined;
    if (parameter.in === 'query') return who[parameter.name];
    if (parameter.name !== 'id' || (method === 'delete' && path.endsWith('/{id}'))) return undefined;
    if (path.startsWith('/organizations/')) return who.org_id;
    return path.startsWith('/environments/') ? who.env_id : undefined;
  }

  // The organization of the document's examples.
  function exampleOrganization(source) {
    return source.components.examples.CreateProductionKey.value.org_id;
  }

  // The document as the page shows it: no field is filled in with an id that does not exist, and
  // requests go to the server of the page. Where the examples' organization is the caller's, as in a
  // sandbox, all examples exist, and stay.
  function prepare(source, who = PLACEHOLDERS) {
    const copy = structuredClone(source);
    copy.servers = [{ url: BASE }];
    // That of the root is another.
    for (const item of Object.values(copy.paths)) delete item.servers;
    const exist = who.org_id === exampleOrganization(source);
    for (const [path, item] of Object.entries(copy.paths)) {
      const shared = item.parameters ?? [];
      delete item.parameters;
      for (const method of METHODS.filter((each) => item[each])) {
        const operation = item[method];
        operation.parameters = [...shared, ...(operation.parameters ?? [])].map((each) => {
          const { example, ...parameter } = structuredClone(resolved(source, each));
          const own = exist && parameter.required ? example : ownValue(path, method, parameter, who);
          // The names of files do exist.
          const value = parameter.name === 'asset' ? example : own;
          return value === undefined ? parameter : { ...parameter, example: value };
        });
        for (const media of Object.values(operation.requestBody?.content ?? {})) {
          for (const [name, example] of Object.entries(media.examples ?? {})) {
            const { summary, value } = structuredClone(resolved(source, example));
            for (const id of exist ? [] : Object.keys(PLACEHOLDERS)) {
              if (id in value) value[id] = who[id] ?? PLACEHOLDERS[id];
            }
            media.examples[name] = { summary, value };
          }
        }
      }
    }
    return copy;
  }

  async function get(path, headers) {
    const response = await fetch(`${BASE}${path}`, { headers });
    return response.ok ? response.json() : null;
  }

  // The organization and environment of the credential that a request would have now.
  async function find() {
    const value = (scheme) => system.authSelectors.authorized().getIn([scheme, 'value']);
    const headers = {};
    if (value('apiKeyHeader')) headers['X-API-Key'] = value('apiKeyHeader');
    if (value('bearerToken')) headers.Authorization = `Bearer ${value('bearerToken')}`;
    // Without a session this is null, and not an error as `whoami` would be.
    const signedIn = Object.keys(headers).length > 0 || (await get('/auth/get-session', headers));
    const who = signedIn && (await get('/auth/whoami', headers));
    if (who?.type === 'api_key') return { org_id: who.org_id, env_id: who.env_id };
    const page = who && (await get('/environments?limit=1', headers));
    const environment = page?.environments[0];
    return environment ? { org_id: environment.org_id, env_id: environment.id } : PLACEHOLDERS;
  }

  // Replaces what was filled in for `before`; what a person typed stays.
  function fill(before, after) {
    const { oas3Actions, oas3Selectors, specActions, specSelectors } = system;
    const [old, next] = [before, after].map((who) => prepare(document, who));
    const changes = [];
    for (const [path, item] of Object.entries(next.paths)) {
      for (const method of METHODS.filter((each) => item[each])) {
        const pathMethod = [path, method];
        item[method].parameters.forEach((parameter, number) => {
          const was = old.paths[path][method].parameters[number].example;
          if (was === parameter.example) return;
          const { name, in: place } = parameter;
          const shown = specSelectors.parameterWithMeta(pathMethod, name, place)?.get('value');
          // Swagger UI knows a value by the whole parameter, so one that stays is set again, too.
          const value = [undefined, '', was].includes(shown) ? parameter.example ?? '' : shown;
          changes.push([pathMethod, name, place, value, false]);
        });
        const body = oas3Selectors.requestBodyValue(path, method);
        if (typeof body !== 'string') continue;
        const value = Object.keys(PLACEHOLDERS).reduce(
          (text, id) => text.replaceAll(JSON.stringify(before[id]), JSON.stringify(after[id])),
          body,
        );
        if (value !== body) oas3Actions.setRequestBodyValue({ value, pathMethod });
      }
    }
    specActions.updateSpec(JSON.stringify(next));
    for (const change of changes) specActions.changeParam(...change);
  }

  async function refresh() {
    latest += 1;
    const turn = latest;
    const found = await find();
    // Another credential came meanwhile, and its own answer is on the way.
    if (turn !== latest || JSON.stringify(found) === JSON.stringify(known)) return;
    const before = known;
    known = found;
    fill(before, found);
  }

  function plugin(source) {
    document = source;
    return (given) => {
      system = given.getSystem();
      const changes = (original) => (payload) => {
        const result = original(payload);
        refresh();
        return result;
      };
      return {
        statePlugins: { auth: { wrapActions: { authorize: changes, logout: changes } } },
      };
    };
  }

  // An answer that the page got: signing in or out makes the caller another.
  function notice(answer) {
    if (answer.ok && SIGNING.some((path) => answer.url === `${BASE}/${path}`)) refresh();
  }

  return { notice, plugin, prepare, refresh };
})();
