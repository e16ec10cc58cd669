//! JSON text as the cache keeps it: compressed against a sample of what our objects say. Nearly all words of a spec, a
//! status and a ledger are the same in ten thousand objects, and a third of the text is what is left.
//!
//! Not here: what the text means. Any text comes back as it was; one that is like the sample takes less room.

/// A text, compressed. Equal texts are equal here too.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Packed(Box<[u8]>);

/// The words of our objects, in the order in which they are written: keys sorted, as JSON trees keep them.
const SAMPLE: &[u8] = include_bytes!("sample.json");

impl Packed {
    /// Packs a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(lz4_flex::block::compress_prepend_size_with_dict(text.as_bytes(), SAMPLE).into_boxed_slice())
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = lz4_flex::block::decompress_size_prepended_with_dict(&self.0, SAMPLE);
        bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).expect("it was made from a text")
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in "\\PC*", number in any::<u32>()) {
            for text in [text.clone(), format!("{text}{}", String::from_utf8_lossy(SAMPLE)), format!("{{\"id\":{number}}}")] {
                prop_assert_eq!(Packed::of(&text).text(), text);
            }
        }
    }

    #[test]
    fn what_our_objects_say_takes_a_third_of_its_room() {
        let text = String::from_utf8_lossy(SAMPLE)
            .replace("PWEB01", "DVM00017")
            .replace("2026-01-02T03", "2027-11-12T13");
        let packed = Packed::of(&text);
        assert!(packed.0.len() * 3 < text.len(), "{} of {}", packed.0.len(), text.len());
    }
}
