/** Calls somebody else's function, a listener or a callback. What it throws is its own, in a tick of its own: what happens here must go on. */
export const callOutside = (call: () => void): void => {
  try {
    call();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
};
