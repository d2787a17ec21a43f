/** What we use of the package, which comes without types. */
declare module "siphash" {
  type SipHash = {
    /**
     * SipHash-2-4 of a text in UTF-8.
     * @param key its four words of 32 bits, the low one of each half first
     * @returns the high and the low half of 64 bits
     */
    readonly hash: (
      key: readonly [number, number, number, number],
      text: string,
    ) => { readonly h: number; readonly l: number };
  };
  const siphash: SipHash;
  export default siphash;
}
