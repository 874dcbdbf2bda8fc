// Shows the document's code samples in each operation, folds the error responses, lets the filter
// look at names as well, and says when it finds none.
'use strict';

const samples = (() => {
  function wrapResponses(Original, { React, specSelectors }) {
    const create = React.createElement;

    function Samples({ list }) {
      const [chosen, choose] = React.useState(0);
      return create('section', { className: 'samples', 'aria-label': 'Code samples' },
        create('div', { className: 'samples-languages' },
          create('h4', null, 'Code samples'),
          list.map(({ lang, label }, number) => create('button', {
            key: label,
            type: 'button',
            className: 'samples-language',
            'aria-pressed': number === chosen,
            onClick: () => choose(number),
          }, label === lang ? lang : `${lang} (${label})`))),
        create('pre', { tabIndex: 0 }, create('code', null, list[chosen].source)));
    }

    return (props) => {
      const list = languages.complete(specSelectors.specJson()
        .getIn(['paths', props.path, props.method, 'x-codeSamples'])?.toJS() ?? []);
      return create(React.Fragment, null,
        list.length ? create(Samples, { list }) : null,
        create(Original, props));
    };
  }

  // A description's text, of whose Markdown only code is shown as such: a button holds no blocks.
  function described(create, text) {
    return text.trim().split(/`([^`]+)`/).map((part, number) => (
      number % 2 ? create('code', { key: number }, part) : part
    ));
  }

  function wrapResponse(Original, { React }) {
    const create = React.createElement;
    return (props) => {
      const [open, show] = React.useState(!/^[45]/.test(props.code));
      if (open) return create(Original, props);
      return create('tr', { className: 'response response-folded', 'data-code': props.code },
        create('td', { className: 'response-col_status' }, props.code),
        create('td', { className: 'response-col_description', colSpan: 2 },
          create('button', {
            type: 'button', 'aria-expanded': false, onClick: () => show(true),
          }, described(create, props.response.get('description')))));
    };
  }

  function wrapOperations(Original, { React, layoutSelectors, specSelectors }) {
    const create = React.createElement;
    return (props) => {
      const phrase = layoutSelectors.currentFilter();
      if (!phrase || phrase === true || specSelectors.taggedOperations().size > 0) {
        return create(Original, props);
      }
      return create('p', { className: 'no-operation', role: 'status' },
        `No operation matches “${phrase}”. The filter looks at tags, paths, summaries and operation IDs.`);
    };
  }

  // Swagger UI gives the icon, the button's only content, no name.
  function wrapCloseIcon(Original, { React }) {
    return (props) => React.createElement('span', { role: 'img', 'aria-label': 'Close the dialog' },
      React.createElement(Original, props));
  }

  // The words of an operation that a person may look for.
  function hasWord(operation, word) {
    const texts = [operation.get('path'), operation.getIn(['operation', 'summary']), operation.getIn(['operation', 'operationId'])];
    return texts.some((text) => text?.toLowerCase().includes(word));
  }

  function opsFilter(taggedOperations, phrase) {
    const word = phrase.toLowerCase();
    return taggedOperations
      .map((tagged, tag) => (tag.toLowerCase().includes(word)
        ? tagged
        : tagged.update('operations', (list) => list.filter((each) => hasWord(each, word)))))
      .filter((tagged) => tagged.get('operations').size > 0);
  }

  return {
    plugin: () => ({
      fn: { opsFilter },
      wrapComponents: {
        responses: wrapResponses,
        response: wrapResponse,
        operations: wrapOperations,
        CloseIcon: wrapCloseIcon,
      },
    }),
  };
})();
