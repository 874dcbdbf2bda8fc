// The visible texts below `root` with less than `least` to 1 between them and their background, by
// WCAG 2.2 (relative luminance and contrast ratio), a line for each: texts, what fields hold, their
// placeholders, and what CSS generates.
(root, least) => {
  function channels(color) {
    const numbers = color.match(/[\d.]+/g).map(Number);
    return numbers.length === 4 ? numbers : [...numbers, 1];
  }

  function blend([red, green, blue, alpha], below) {
    return [red, green, blue].map((each, number) => each * alpha + below[number] * (1 - alpha));
  }

  function ancestors(element) {
    const found = [];
    for (let each = element; each; each = each.parentElement) found.push(each);
    return found;
  }

  function background(element) {
    return ancestors(element)
      .map((each) => channels(getComputedStyle(each).backgroundColor))
      .reduceRight((below, layer) => blend(layer, below), [255, 255, 255]);
  }

  function opacity(element) {
    return ancestors(element).reduce((all, each) => all * getComputedStyle(each).opacity, 1);
  }

  function luminance(color) {
    const [red, green, blue] = color.map((each) => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  // A field that only programs read is clipped to a pixel.
  function isClipped(element) {
    return ancestors(element).some((each) => (
      each.offsetWidth <= 1 && getComputedStyle(each).overflowX === 'hidden'
    ));
  }

  const low = new Map();
  let checked = 0;

  function check(element, style, text) {
    const below = background(element);
    const [red, green, blue, alpha] = channels(style.color);
    const shown = blend([red, green, blue, alpha * opacity(element)], below);
    const [dark, light] = [shown, below].map(luminance).sort((one, other) => one - other);
    const ratio = (light + 0.05) / (dark + 0.05);
    checked += 1;
    if (ratio >= least) return;
    const place = `${element.tagName.toLowerCase()}.${element.className}`;
    low.set(`${place} ${style.color} on ${below.map(Math.round)}`, `${ratio.toFixed(2)} ${text.trim()}`);
  }

  for (const element of document.querySelector(root).querySelectorAll('*')) {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const style = getComputedStyle(element);
    if (['INPUT', 'SELECT', 'TEXTAREA'].includes(element.tagName)) {
      if (isClipped(element)) continue;
      check(element, style, element.value);
      if (element.placeholder) check(element, getComputedStyle(element, '::placeholder'), element.placeholder);
      continue;
    }
    // An option's colors are the browser's.
    if (['OPTION', 'NOSCRIPT'].includes(element.tagName)) continue;
    const text = [...element.childNodes].filter((each) => each.nodeType === Node.TEXT_NODE)
      .map((each) => each.data).join('');
    if (text.trim()) check(element, style, text);
    for (const generated of ['::before', '::after']) {
      const { content } = getComputedStyle(element, generated);
      if (/^".*\w.*"/.test(content)) check(element, getComputedStyle(element, generated), content);
    }
  }
  return { checked, low: [...low].map((each) => each.join(': ')) };
}
