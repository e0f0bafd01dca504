// The field's words, explained where they stand: each leads to the list, and tells its meaning.
const WORDS = Object.keys(DATA.words).sort((a, b) => b.length - a.length);
// A letter of any script on either side makes it part of another word.
const WORD = new RegExp(`(?<![\\p{L}\\p{N}_])(${WORDS.join("|")})(?![\\p{L}\\p{N}_])`, "u");

function anchorOf(word) {
  return "word-" + [...word].map((sign) =>
    /[A-Za-z0-9]/.test(sign) ? sign : `-${sign.codePointAt(0).toString(16)}`).join("");
}

function wordLink(word) {
  return element("a", { class: "word", href: `#${anchorOf(word)}`, title: DATA.words[word] }, word);
}

/** Text with its known words as links. */
function worded(text) {
  const made = document.createDocumentFragment();
  let rest = text;
  for (let match = WORD.exec(rest); match; match = WORD.exec(rest)) {
    made.append(rest.slice(0, match.index), wordLink(match[1]));
    rest = rest.slice(match.index + match[1].length);
  }
  made.append(rest);
  return made;
}

function startWords() {
  for (const place of document.querySelectorAll("figcaption, section > p:not([id]), .facts li:last-child")) {
    for (const node of [...place.childNodes].filter((each) => each.nodeType === Node.TEXT_NODE)) {
      node.replaceWith(worded(node.textContent));
    }
  }
}
