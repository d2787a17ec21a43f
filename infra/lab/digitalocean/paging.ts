const USUAL_PAGE = 20;
const LARGEST_PAGE = 200;

/** One page of a list as DigitalOcean answers it: items, links to the pages around, and how many there are. */
export function pageOf(key: string, items: readonly object[], url: URL): object {
  const perPage = Math.min(LARGEST_PAGE, wholeOr(url.searchParams.get("per_page"), USUAL_PAGE));
  const page = wholeOr(url.searchParams.get("page"), 1);
  const last = Math.max(1, Math.ceil(items.length / perPage));
  const linkTo = (number: number) => {
    const link = new URL(url);
    link.searchParams.set("page", String(number));
    return link.href;
  };
  const pages = {
    ...(page > 1 ? { first: linkTo(1), prev: linkTo(page - 1) } : {}),
    ...(page < last ? { next: linkTo(page + 1), last: linkTo(last) } : {}),
  };
  return {
    [key]: items.slice((page - 1) * perPage, page * perPage),
    links: Object.keys(pages).length > 0 ? { pages } : {},
    meta: { total: items.length },
  };
}

function wholeOr(text: string | null, fallback: number): number {
  return text !== null && /^[1-9]\d*$/.test(text) ? Number(text) : fallback;
}
