/**
 * Makes what is larger than its frame reachable by the keyboard, and only that: a stop at every table that fits would be in the
 * way of whoever walks the page with the tab key.
 */
export const watchScrollables = (): void => {
  const frames = [...document.querySelectorAll<HTMLElement>('.scroll')];
  const observer = new ResizeObserver(() => frames.forEach(mark));
  for (const frame of frames) {
    observer.observe(frame);
    // What grows is inside.
    for (const child of frame.children) observer.observe(child);
  }
};

const mark = (frame: HTMLElement): void => {
  const isLarger = frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight;
  // Whoever is in it keeps their place.
  if (isLarger === frame.hasAttribute('tabindex') || frame === document.activeElement) return;
  if (isLarger) {
    frame.tabIndex = 0;
    frame.role = 'group';
    frame.ariaLabel = `${frame.dataset['label'] ?? 'Table'}, scrolls`;
  } else for (const name of ['tabindex', 'role', 'aria-label']) frame.removeAttribute(name);
};
