//! Letters written as regional indicators, unless they are flags.

/// Whether the two letters, from `A` to `Z`, are the code of a region (ISO 3166-1 alpha-2, the union and the nations).
pub(super) fn is_region(first: char, second: char) -> bool {
    let codes = REGIONS.as_bytes().chunks_exact(2);
    let asked = [u8::try_from(first).unwrap_or_default(), u8::try_from(second).unwrap_or_default()];
    codes.into_iter().any(|code| code == asked)
}

/// The letter of a regional indicator.
pub(super) fn letter(c: char) -> Option<char> {
    let number = u32::from(c).checked_sub(0x1f1e6).filter(|number| *number < 26)?;
    u8::try_from(number).ok().map(|number| char::from(b'A' + number))
}

const REGIONS: &str = concat!(
    "ACADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCPCRCUCVCWCXCYCZ",
    "DEDGDJDKDMDODZEAECEEEGEHERESETEUFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUICIDIEILIMINIOIQIRISIT",
    "JEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONP",
    "NRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTATCTDTFTGTHTJTKTLTMTNTOTR",
    "TTTVTWTZUAUGUMUNUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW",
);
