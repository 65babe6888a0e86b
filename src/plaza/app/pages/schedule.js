/** `work` a while after it was asked for, and once however often that is. */
export function delayed(work, ms) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      work();
    }, ms);
  };
}

/** `work` once at the end of the current task, however often it is asked for; also in a hidden window. */
export function batched(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    queueMicrotask(() => {
      asked = false;
      work();
    });
  };
}
