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
