// Names of systems where there is little room: run files differ at both ends.
const ROOM = 26;

export function shortened(name) {
  if (name.length <= ROOM) return name;
  const half = (ROOM - 1) >> 1;
  return `${name.slice(0, half)}…${name.slice(-half)}`;
}
