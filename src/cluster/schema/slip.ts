/** Whether one letter was added, left out or changed, or two were swapped: nodeSelector is no slip for podSelector. */
export function isSlip(written: string, meant: string): boolean {
  const most = Math.min(written.length, meant.length);
  let same = 0;
  while (same < most && written[same] === meant[same]) same++;
  const [rest, wanted] = [written.slice(same), meant.slice(same)];
  return rest.slice(1) === wanted.slice(1) || rest.slice(1) === wanted ||
    rest === wanted.slice(1) ||
    `${rest[1]}${rest[0]}${rest.slice(2)}` === wanted;
}
