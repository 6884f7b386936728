//! A WebAssembly module as the list of its sections, for changes that leave all others as the linker wrote them.

use crate::Result;
use std::borrow::Cow;
use wasm_encoder::{Encode, Module, RawSection};
use wasmparser::{ExportSectionReader, KnownCustom, Name, Parser, Payload};

/// One section.
pub struct Section<'a> {
    /// Its kind, as the format counts them.
    pub id: u8,
    /// Where its contents begin in the module it was read from, in bytes.
    pub start: usize,
    /// Its contents, without kind and length.
    pub contents: Cow<'a, [u8]>,
}

/// The kind of a section of names, relocations and such.
pub const CUSTOM: u8 = 0;
/// The kind of the exports.
pub const EXPORTS: u8 = 7;
/// The kind of the code.
pub const CODE: u8 = 10;
/// The kind of the data.
pub const DATA: u8 = 11;
/// The kind of the number of data segments.
pub const DATA_COUNT: u8 = 12;

/// What a reader or writer of the format says, for the person at the terminal.
pub fn failed(error: impl std::fmt::Display) -> String {
    format!("the frontend's module: {error}")
}

/// The sections in their order.
///
/// # Errors
/// When it is no module.
pub fn read(module: &[u8]) -> Result<Vec<Section<'_>>> {
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Some((id, range)) = payload.map_err(failed)?.as_section() {
            let (start, end) = (place(range.start)?, place(range.end)?);
            let contents = module.get(start..end).ok_or("a section ends behind the module")?;
            sections.push(Section {
                id,
                start,
                contents: contents.into(),
            });
        }
    }
    Ok(sections)
}

/// The module of some sections.
pub fn write(sections: &[Section<'_>]) -> Vec<u8> {
    let mut module = Module::new();
    for section in sections {
        module.section(&RawSection {
            id: section.id,
            data: &section.contents,
        });
    }
    module.finish()
}

/// A place in a file as an index of its bytes.
///
/// # Errors
/// When this machine cannot count that far.
pub fn place(offset: u64) -> Result<usize> {
    usize::try_from(offset).map_err(failed)
}

/// The names of the functions by their number, as the name section has them.
///
/// # Errors
/// When it is no module.
pub fn names(module: &[u8]) -> Result<Vec<(u32, &str)>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(custom) = payload.map_err(failed)? else {
            continue;
        };
        let KnownCustom::Name(parts) = custom.as_known() else {
            continue;
        };
        for part in parts {
            if let Name::Function(map) = part.map_err(failed)? {
                for naming in map {
                    let naming = naming.map_err(failed)?;
                    found.push((naming.index, naming.name));
                }
            }
        }
    }
    Ok(found)
}

/// The module with other exports: those kept, and functions by name and number besides.
///
/// # Errors
/// When it is no module.
pub fn with_exports(module: &[u8], kept: impl Fn(&str) -> bool, more: &[(String, u32)]) -> Result<Vec<u8>> {
    let mut sections = read(module)?;
    for section in &mut sections {
        if section.id != EXPORTS {
            continue;
        }
        let old =
            ExportSectionReader::new(wasmparser::BinaryReader::new(&section.contents, 0)).map_err(failed)?;
        let mut exports = wasm_encoder::ExportSection::new();
        for export in old {
            let export = export.map_err(failed)?;
            if kept(export.name) {
                exports.export(export.name, export.kind.into(), export.index);
            }
        }
        for (name, function) in more {
            exports.export(name, wasm_encoder::ExportKind::Func, *function);
        }
        section.contents = contents(&exports)?.into();
    }
    Ok(write(&sections))
}

/// The contents of an encoded section, without the length that its encoder writes before them.
///
/// # Errors
/// Never for what the encoder wrote.
pub fn contents(section: &impl Encode) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    section.encode(&mut bytes);
    let mut reader = wasmparser::BinaryReader::new(&bytes, 0);
    reader.read_var_u32().map_err(failed)?;
    let start = place(reader.original_position())?;
    Ok(bytes.split_off(start))
}
