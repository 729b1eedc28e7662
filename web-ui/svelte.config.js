export default {
  compilerOptions: {
    runes: true,
    // Named after the styles themselves, so that a build does not depend on where the checkout lies.
    cssHash: ({ css, hash }) => `s-${hash(css)}`,
  },
};
