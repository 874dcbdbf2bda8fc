// The requests of the document's curl commands in further languages.
'use strict';

const languages = (() => {
  // The words of a shell command whose quotes are all single.
  function words(command) {
    const found = command.replaceAll('\\\n', ' ').matchAll(/'([^']*)'|(\S+)/g);
    return [...found].map(([, quoted, plain]) => quoted ?? plain);
  }

  // The request that a curl command sends: its method, URL, headers and JSON body.
  function request(command) {
    const [, ...given] = words(command);
    const read = { method: '', url: '', headers: {}, body: undefined };
    while (given.length > 0) {
      const word = given.shift();
      if (word === '--request') read.method = given.shift();
      else if (word === '--header') {
        const [name, value] = given.shift().split(': ');
        read.headers[name] = value;
      } else if (word === '--data') read.body = JSON.parse(given.shift());
      else if (!word.startsWith('--')) read.url = word;
    }
    read.method ||= read.body === undefined ? 'GET' : 'POST';
    return read;
  }

  const indented = (text, by) => text.replaceAll('\n', `\n${by}`);

  // A value as a literal of a language: `constants` has its true, false and null, `member` writes a
  // member's name.
  function literal(value, step, constants, member) {
    if (value === null || typeof value === 'boolean') return constants[String(value)];
    if (typeof value !== 'object') return JSON.stringify(value);
    const inner = (each) => indented(literal(each, step, constants, member), step);
    const list = Array.isArray(value);
    const lines = list
      ? value.map((each) => `${step}${inner(each)},\n`)
      : Object.entries(value).map(([name, each]) => `${step}${member(name)}: ${inner(each)},\n`);
    const [open, close] = list ? '[]' : '{}';
    return lines.length > 0 ? `${open}\n${lines.join('')}${close}` : open + close;
  }

  const inJavaScript = (value) => literal(
    value,
    '  ',
    { true: 'true', false: 'false', null: 'null' },
    (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)),
  );
  const inPython = (value) => literal(
    value, '    ', { true: 'True', false: 'False', null: 'None' }, JSON.stringify,
  );

  function javaScript({ method, url, headers, body }) {
    const options = [];
    if (method !== 'GET') options.push(`  method: ${JSON.stringify(method)},\n`);
    if (Object.keys(headers).length > 0) {
      options.push(`  headers: ${indented(inJavaScript(headers), '  ')},\n`);
    }
    if (body !== undefined) {
      options.push(`  body: JSON.stringify(${indented(inJavaScript(body), '  ')}),\n`);
    }
    const given = options.length > 0 ? `, {\n${options.join('')}}` : '';
    return `const response = await fetch(${JSON.stringify(url)}${given});
const text = await response.text();
if (!response.ok) throw new Error(\`\${response.status}: \${text}\`);
console.log(text);
`;
  }

  function python({ method, url, headers, body }) {
    // requests sets the type of a JSON body.
    const { 'Content-Type': _, ...others } = headers;
    const given = [`    ${JSON.stringify(url)},\n`];
    if (Object.keys(others).length > 0) {
      given.push(`    headers=${indented(inPython(others), '    ')},\n`);
    }
    if (body !== undefined) given.push(`    json=${indented(inPython(body), '    ')},\n`);
    return `import requests

response = requests.${method.toLowerCase()}(
${given.join('')}    timeout=10,
)
response.raise_for_status()
print(response.text)
`;
  }

  function go({ method, url, headers, body }) {
    const imports = ['fmt', 'io', 'log', 'net/http'];
    if (body !== undefined) imports.push('strings');
    const constant = `http.Method${method[0]}${method.slice(1).toLowerCase()}`;
    const reader = body === undefined
      ? ''
      : `\tbody := strings.NewReader(\`${indented(JSON.stringify(body, null, '\t'), '\t')}\`)\n`;
    const set = Object.entries(headers)
      .map((pair) => `\trequest.Header.Set(${pair.map((each) => JSON.stringify(each)).join(', ')})\n`);
    return `package main

import (
${imports.map((name) => `\t"${name}"\n`).join('')})

func main() {
${reader}	request, err := http.NewRequest(${constant}, ${JSON.stringify(url)}, ${reader ? 'body' : 'nil'})
	if err != nil {
		log.Fatal(err)
	}
${set.join('')}	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	if response.StatusCode >= 300 {
		log.Fatalf("%s: %s", response.Status, text)
	}
	fmt.Println(string(text))
}
`;
  }

  const WRITERS = [
    { lang: 'JavaScript', label: 'fetch', write: javaScript },
    { lang: 'Python', label: 'requests', write: python },
    { lang: 'Go', label: 'net/http', write: go },
  ];

  // The samples of an operation: the document's own, and in each language that it does not have the
  // request of its curl command.
  function complete(samples) {
    const command = samples.find(({ label }) => label === 'curl');
    if (!command) return samples;
    const own = (lang) => samples.find((each) => each.lang === lang);
    const written = ({ lang, label, write }) => (
      own(lang) ?? { lang, label, source: write(request(command.source)) }
    );
    return [command, ...WRITERS.map(written)];
  }

  return { complete };
})();
