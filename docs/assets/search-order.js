// The order of search results; scripts/build_docs.py puts it before the search worker's own script.
// Titles first, and pages that were written for a task before generated reference.
let ranks = [];

addEventListener("message", ({data}) => {
  if (data?.data?.items) ranks = data.data.items.map(({location}) =>
    /(^|\/)generated\/(models\/|RealtimeApi)/.test(location) ? [3, 5] :
      /(^|\/)reference\/[\w-]+\.html/.test(location) ? [1, 4] : [0, 2]);
});

function inOrder(compare) {
  const rank = ({id, matches}) => ranks[id]?.[matches.some(({field}) => field === "title") ? 0 : 1] ?? 9;
  return (one, other) => rank(one) - rank(other) || compare(one, other);
}
