/** How many things a sentence names. */
const LISTED = 5;

/** The first few of them, and how many more there are. */
export function listed(items: readonly string[]): string {
  const more = items.length - LISTED;
  return items.slice(0, LISTED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
