// Which queries are listed, and in which order: pure functions on the index.

export const PAGE = 50;

const ORDERS = {
  id: () => 0,
  moved: (row, run) => row.runs[run]?.tau ?? 2,
  kept: (row, run) => -(row.runs[run]?.tau ?? -2),
  rise: (row, run) => -(row.runs[run]?.rise ?? -1),
  gain: (row, run) => -(row.runs[run]?.gain ?? -2),
  loss: (row, run) => row.runs[run]?.gain ?? 2,
  apart: (row) => row.agreement ?? 2,
};

const FILTERS = {
  all: () => true,
  complete: (seen) => seen?.status === "complete",
  degraded: (seen) => seen?.status === "degraded",
  quarantined: (seen) => seen?.status === "quarantined",
  failed: (seen) => (seen?.failed ?? 0) > 0,
  absent: (seen) => !seen,
};

// Returns the rows that hold every word of `words`, pass the filter for a run, in the order asked.
export function chosen(index, { words = "", filter = "all", order = "id", run = 0 }) {
  const asked = words.toLowerCase().split(/\s+/).filter(Boolean);
  const passes = FILTERS[filter];
  const found = index.filter(
    (row) => passes(row.runs[run]) && asked.every((word) => row.searched.includes(word)),
  );
  if (order === "id") return found;
  const key = ORDERS[order];
  const keyed = found.map((row, place) => [key(row, run), place, row]);
  keyed.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  return keyed.map((entry) => entry[2]);
}

// Adds to every row what it is searched by.
export function searchable(index) {
  for (const row of index) row.searched = `${row.id} ${row.text}`.toLowerCase();
  return index;
}
