/** The page's own elements, by id: one that is missing is a fault of the page, told at once. */
export const element = <Found extends Element = HTMLElement>(id: string): Found => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no #${id}.`);
  return found as unknown as Found;
};

/** Only what has changed is touched: a screen reader's place and a selection stay where they are. */
export const setText = (target: Element, text: string): void => {
  if (target.textContent !== text) target.textContent = text;
};

export const setTone = (target: HTMLElement, tone: string): void => {
  if (target.dataset['tone'] !== tone) target.dataset['tone'] = tone;
};

export const made = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className = '',
  text = '',
): HTMLElementTagNameMap[Name] => {
  const fresh = document.createElement(name);
  if (className !== '') fresh.className = className;
  if (text !== '') fresh.textContent = text;
  return fresh;
};
